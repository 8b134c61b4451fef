"""How many images help, tried on images held out: the search, and the augmenter's."""

import numpy as np
import pytest

from balancegan.downstream import amounts
from balancegan.downstream.amounts import AmountSearch, count_images, hold_out

from .conftest import make_images

COUNTS = {"bag": 120, "shirt": 40, "boot": 3}
NAMES = list(COUNTS)
CLASSES = np.repeat([0, 1, 2], list(COUNTS.values()))


@pytest.fixture
def search(monkeypatch):
    """A search whose classifier knows as much of a class as its images are good for."""
    images = make_images(len(CLASSES))
    held_out = hold_out(CLASSES, seed=0)
    plan = np.repeat([1, 2], [80, 117])
    runs = []

    def make(quality, seconds=1_000.0, took=0.0):
        clock = [0.0]

        def train(build, rows, test_images, seed, n_steps):
            n = np.bincount(rows.class_indices, minlength=3)
            of_real = np.bincount(CLASSES[~held_out], minlength=3)
            runs.append(tuple(n - of_real))
            clock[0] += took
            rng = np.random.default_rng(seed)
            added = (n - of_real > 0) @ np.asarray(quality)
            knows = rng.random(len(test_images)) < 0.6 + added
            truth = CLASSES[held_out]
            return np.eye(3)[np.where(knows, truth, (truth + 1) % 3)]

        monkeypatch.setattr(amounts, "train_network", train)
        monkeypatch.setattr(amounts.time, "monotonic", lambda: clock[0])
        return AmountSearch(
            (images[~held_out], CLASSES[~held_out]),
            (images[held_out], CLASSES[held_out]),
            (make_images(len(plan), seed=1), plan),
            NAMES,
            lambda rows: rows,
            seed=0,
            max_seconds=seconds,
        )

    make.runs = runs
    return make


def test_a_tenth_of_each_class_is_held_out():
    held_out = hold_out(CLASSES, seed=1)
    assert np.bincount(CLASSES[held_out], minlength=3).tolist() == [12, 4, 0]
    assert not np.array_equal(held_out, hold_out(CLASSES, seed=2))
    np.testing.assert_array_equal(held_out, hold_out(CLASSES, seed=1))


def test_images_that_help_are_taken(search):
    found = search([0, 0.4, 0]).search()
    assert found.ratios[1] > 0
    assert found.ratios[2] == 0  # of three images none is held out: no evidence
    assert "gains" in found.sentence
    chosen = found.tried[found.tried["chosen"]].iloc[0]
    assert chosen["gain_at_least"] > 0
    assert found.tried["candidate"].iloc[0] == "none"


@pytest.mark.parametrize("harm", [0.0, -0.05, -0.5])
def test_images_that_do_not_help_are_left_out(search, harm):
    found = search([0, harm, 0]).search()
    assert found.ratios.tolist() == [0, 0, 0]
    assert "none are added" in found.sentence
    assert found.tried["chosen"].tolist() == [True] + [False] * (len(found.tried) - 1)


def test_every_amount_is_tried_with_the_seeds_of_adding_nothing(search):
    found = search([0, 0.4, 0]).search()
    assert found.tried["synthetic"].tolist() == [0, 36, 72, 80]
    assert found.tried["runs"].iloc[0] == amounts.N_SEEDS
    assert (found.tried["runs"] == amounts.N_SEEDS).sum() >= 3
    assert {n for _, _, n in search.runs} == {0}


def test_what_looks_best_at_last_is_tried_as_often(search, monkeypatch):
    # By the first seed the small amounts are best, by the others they do harm
    one = search([0, 0, 0])
    truth = one.held_out[1]
    first = {0: 0.5, 36: 0.52, 72: 0.515, 80: 0.51}
    later = {0: 0.5, 36: 0.48, 72: 0.49, 80: 0.56}

    def ask(ratios, seed):
        n = int(one._numbers(ratios).sum())
        return np.eye(3)[truth] * (later if seed else first)[n]

    monkeypatch.setattr(one, "_ask", ask)
    found = one.search()
    assert found.tried["synthetic"].tolist() == [0, 36, 72, 80]
    assert found.tried["runs"].tolist() == [3, 3, 3, 3]
    assert found.tried["chosen"].tolist() == [False, False, False, True]


def test_without_time_nothing_is_added(search):
    found = search([0, 0.4, 0], seconds=3.0, took=1.0).search()
    assert found.ratios.tolist() == [0, 0, 0]
    assert "time" in found.sentence
    assert len(search.runs) == 3


def test_two_runs_are_enough_where_time_is_short(search):
    found = search([0, 0.4, 0], seconds=5.0, took=1.0).search()
    assert found.tried["synthetic"].tolist() == [0, 36, 80]
    assert sorted(found.tried["runs"]) == [1, 2, 2]
    assert found.ratios[1] > 0
    assert found.tried[found.tried["chosen"]]["gain_at_least"].item() > 0


def test_two_runs_may_find_that_nothing_helps(search):
    found = search([0, 0, 0], seconds=5.0, took=1.0).search()
    assert found.ratios.tolist() == [0, 0, 0]
    assert "none helps for certain" in found.sentence


def test_little_time_is_spent_on_few_amounts(search):
    found = search([0, 0.4, 0], seconds=7.0, took=1.0).search()
    assert len(search.runs) == 7
    assert found.tried["synthetic"].tolist() == [0, 36, 80]
    assert found.tried["runs"].tolist().count(amounts.N_SEEDS) == 2
    assert found.ratios[1] > 0


def test_nothing_held_out_nothing_added():
    images = make_images(6)
    classes = np.repeat([0, 1], 3)
    none = images[:0], classes[:0]
    found = AmountSearch(
        (images, classes), none, none, ["a", "b"], lambda rows: rows, 0, 9.0
    ).search()
    assert found.ratios.tolist() == [0, 0]
    assert "images enough" in found.sentence


@pytest.mark.parametrize(("n_wrong", "helps"), [(0, True), (6, False)])
def test_surer_and_not_less_often_right(search, n_wrong, helps):
    """What counts is the probability of the right class, if no more are wrong."""
    one = search([0, 0, 0])
    n = one.n_held_out.sum()
    none = amounts.Candidate("none", np.zeros(3))
    surer = amounts.Candidate("surer", np.ones(3))
    for seed in range(3):
        none.probability[seed] = np.full(n, 0.55)
        surer.probability[seed] = np.linspace(0.8, 0.9, n)
        none.right[seed] = np.ones(n, dtype=bool)
        surer.right[seed] = np.arange(n) >= n_wrong
    found = one._conclude(none, [surer])
    assert bool(found.ratios.any()) == helps
    row = found.tried.set_index("candidate").loc["surer"]
    assert row["gain"] == pytest.approx(0.3, abs=0.05)
    assert row["gain_at_least"] > 0
    assert row["accuracy_gain"] == pytest.approx(-n_wrong / 12 / 2)


@pytest.mark.parametrize(("n_runs", "most_chosen"), [(4, 12), (5, 12), (1e9, 25)])
def test_where_nothing_helps_little_is_chosen(monkeypatch, n_runs, most_chosen):
    """Ten classes, rare ones told by one to three images; images differ by chance."""
    n_held_out = np.arange(10, 0, -1)
    truth = np.repeat(np.arange(10), n_held_out)
    training = np.repeat(np.arange(10), 10 * n_held_out)
    filled = np.repeat(np.arange(1, 10), 10 * np.arange(1, 10))
    spread = np.linspace(0.02, 0.1, 10)[truth]
    clock = [0]

    def train(build, rows, test_images, seed, n_steps):
        clock[0] += 1
        trial = seed // 10  # three seeds each
        added = np.bincount(rows.class_indices, minlength=10) - 10 * n_held_out
        of_rows = np.random.default_rng([trial, *added])
        of_images = np.random.default_rng(trial).normal(size=len(truth))
        of_images = 0.7 * of_images + 0.7 * of_rows.normal(size=len(truth))
        noise = np.random.default_rng([seed, *added]).normal(size=len(truth))
        right = 0.5 + spread * ((added[truth] > 0) * of_images + 0.4 * noise)
        seen = np.full((len(truth), 10), 0.01)
        seen[np.arange(len(truth)), truth] = right
        return seen

    monkeypatch.setattr(amounts, "train_network", train)
    monkeypatch.setattr(amounts, "SEED_OFFSET", 0)
    monkeypatch.setattr(amounts.time, "monotonic", lambda: clock[0])
    n_chosen, n_spared = 0, 0
    for first in range(0, 1000, 10):
        clock[0] = 0
        parts = ((np.zeros((len(y), 1)), y) for y in (training, truth, filled))
        names = list("abcdefghij")
        found = AmountSearch(*parts, names, lambda rows: rows, first, n_runs).search()
        assert (found.tried["runs"] > 1).sum() > 1  # something was tried in earnest
        n_chosen += found.ratios.any()
        n_spared += "none of" in found.tried["candidate"].iloc[-1]
    assert n_spared > 90 or n_runs < 1e9
    assert n_chosen <= most_chosen


def test_counts_of_ratios():
    most = np.array([0, 100, 5])
    assert count_images(
        np.array([1.0, 2.0, np.inf]), np.array([9, 9, 9]), most
    ).tolist() == [0, 18, 5]
