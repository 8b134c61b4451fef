"""The tables of the benchmark say what its results say."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import page

    yield page
    for name in ("page", "methods_tables", "tables", "filling", "methods", "sets"):
        sys.modules.pop(name, None)


@pytest.fixture
def many_tested(page, monkeypatch):
    """So many test images that one more makes no difference."""
    import methods_tables

    tested = dict.fromkeys(methods_tables.TESTED, (10**9,) * 10)
    monkeypatch.setattr(methods_tables, "TESTED", tested)


def run(method, seed, accuracy, recall=(0.5, 0.7)):
    return {
        "draw": 0,
        "method": method,
        "judge": "network",
        "seed": seed,
        "balanced_accuracy": accuracy,
        "recall": list(recall),
        "synthetic": 10,
        "seconds": {"fit": 60, "resample": 1, "classify": 1},
    }


@pytest.fixture
def results(page, tmp_path):
    runs = [
        run(method, seed, accuracy + 0.01 * seed)
        for method, accuracy in (
            ("none", 0.5),
            ("oversample", 0.6),
            ("oversample+augment", 0.8),
            ("cgan+augment", 0.85),
            ("cgan+augment+mixup", 0.99),
        )
        for seed in range(3)
    ]
    file = tmp_path / "methods_blood.json"
    file.write_text(json.dumps({"runs": runs}))
    return page.read(tmp_path)


def test_the_documents_say_what_the_results_say(page, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["page.py", "--check"])
    page.main()


def test_a_document_that_says_otherwise_is_found(page, monkeypatch, tmp_path):
    for folder in ("docs", "benchmarks"):
        (tmp_path / folder).mkdir()
    for name in page.DOCUMENTS:
        text = (ROOT / name).read_text()
        if name == "README.md":
            text = re.sub(r"(\| Dominoes \| [\w ]+ \| )\d", r"\g<1>1", text)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(page, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["page.py", "--check"])
    with pytest.raises(SystemExit, match=r"README\.md"):
        page.main()


def test_the_bar_is_the_best_that_anybody_has_without_a_gan(page, results):
    (runs,) = results
    assert runs.bar == "oversample+augment"
    assert runs.ours == "cgan+augment"  # without mixup, as the bar
    assert runs.to_bar("cgan+augment").mean == pytest.approx(0.05)
    table = page.sets_table(results)
    assert "+5.0" in table
    assert table.splitlines()[2].endswith("| better |")


def test_unaugmented_methods_are_compared_with_unaugmented_baselines(page, results):
    (runs,) = results
    ours = [run("cgan", seed, 0.7 + 0.01 * seed) for seed in range(3)]
    (row,) = page.still_table([runs, with_added(runs, ours)]).splitlines()[2:]
    assert "| 61.0 (`oversample`) | 71.0 (`cgan`) | +10.0 (" in row
    assert row.endswith("| 3 | better |")


def with_added(runs, rows):
    return replace(runs, frame=pd.concat([runs.frame, pd.DataFrame(rows)]))


@pytest.mark.parametrize(
    ("best", "compared"),
    [
        ("class_weight", "cgan"),
        ("smote", "cgan"),
        ("oversample+augment", "cgan+augment"),
        ("oversample+augment+mixup", "cgan+augment+mixup"),
    ],
)
def test_the_gan_is_compared_with_images_moved_and_mixed_as_the_bar_has_them(
    page, tmp_path, best, compared
):
    ours = ("cgan", "cgan+augment", "cgan+augment+mixup")
    runs = [run(method, 0, 0.7) for method in (*ours, "none", "oversample")]
    runs.append(run(best, 0, 0.9))
    (tmp_path / "methods_blood.json").write_text(json.dumps({"runs": runs}))
    assert page.read(tmp_path)[0].ours == compared


def test_copies_are_no_bar_but_the_gan_is_measured_by_them(page, results):
    (runs,) = results
    copies = [run("copies+augment", seed, 0.9) for seed in (1, 2, 3)]
    runs = with_added(runs, copies)
    assert runs.bar == "oversample+augment"
    assert "copies" not in page.classes_tables([runs])
    (row,) = page.copies_table([runs]).splitlines()[2:]
    # The runs that both have: seeds 1 and 2
    assert row.startswith(
        "| Blood cells | network | `cgan+augment` | 90.0, 86.5 | -3.5"
    )
    assert row.endswith(" | 2 |")


def test_the_method_of_copies_writes_what_ours_does_without_an_image_of_the_gan(page):
    import methods
    import numpy as np

    from balancegan.evaluation.labelling import learn_labels

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 8, 8), dtype="uint8")
    y = np.repeat([0, 1], [20, 10])
    labelling, indices = learn_labels(y, len(y))
    task = methods.Task(images, indices, labelling, images, y, None)
    ours, *others = methods.make_methods(task, ["copies", "copies+augment+mixup"])
    assert [(method.name, method.mixup) for method in (ours, *others)] == [
        ("copies", 0),
        ("copies+augment+mixup", methods.MIXUP),
    ]
    sampler = ours.sampler.set_params(random_state=0, gan_share=0.1)
    x_copies, _ = sampler.fit(images, y).set_params(gan_share=0).resample()
    assert list(sampler.method_[sampler.is_synthetic_]) == ["copied"] * 10
    sampler.set_params(gan_share=0.1)
    x_ours, _ = sampler.resample(reject=False)
    n_gan = int((sampler.method_ == "gan").sum())
    assert n_gan == 2  # of the twenty rows of the class
    assert np.array_equal(x_ours[30 + n_gan :], x_copies[30:-n_gan])


def test_of_combinations_there_are_no_methods_of_copies(page):
    import methods
    import numpy as np

    from balancegan.evaluation.labelling import learn_labels

    images, y = np.zeros((4, 8, 8), dtype="uint8"), np.array([[0, 1], [0, 2]] * 2)
    labelling, indices = learn_labels(y, len(y))
    task = methods.Task(images, indices, labelling, images, y, None)
    found = methods.make_methods(task, ["cgan", "cgan-2min", "copies"])
    assert [method.name for method in found] == ["cgan", "cgan-2min"]


def test_where_only_a_quick_gan_was_tried_that_is_compared(page, tmp_path):
    methods = {"none": 0.5, "oversample+augment": 0.8, "cgan-2min+augment": 0.9}
    runs = [run(method, 0, accuracy) for method, accuracy in methods.items()]
    (tmp_path / "methods_blood.json").write_text(json.dumps({"runs": runs}))
    (found,) = page.read(tmp_path)
    assert found.settings_of_ours == [("quick", "cgan-2min+augment")]
    assert "`cgan-2min+augment`, class by class" in page.classes_tables([found])
    assert "| quick | 1.0 | 1 |" in page.costs_table([found])


def test_the_table_of_sets_has_a_row_for_each_classifier(page, tmp_path):
    methods = ("none", "oversample", "cgan")
    runs = [run(method, 0, 0.7) for method in methods]
    runs += [one | {"judge": "linear"} for one in runs]
    (tmp_path / "methods_blood.json").write_text(json.dumps({"runs": runs}))
    rows = page.sets_table(page.read(tmp_path)).splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["network", "linear"]


def test_seeds_of_a_draw_are_no_draws(page, results):
    (runs,) = results
    # Draw by draw 8, 5 and 2 points, whatever the seed: nine pairs, but three draws
    draws = [
        runs.frame.assign(
            draw=draw,
            balanced_accuracy=runs.frame["balanced_accuracy"]
            + (runs.frame["method"] == "cgan+augment") * 0.03 * (1 - draw),
        )
        for draw in range(3)
    ]
    found = replace(runs, frame=pd.concat(draws)).to_bar("cgan+augment")
    # Student's t of two degrees, 4.30, times the standard error of three means
    assert found.low == pytest.approx(0.05 - 4.303 * 0.03 / 3**0.5, abs=1e-4)
    assert (found.n_pairs, found.verdict) == (9, "no evidence")


@pytest.mark.usefixtures("many_tested")
def test_methods_far_behind_do_not_widen_the_interval_to_the_bar(page, results):
    (runs,) = results
    bar = runs.frame.query("method == 'oversample+augment'")["balanced_accuracy"]
    noise = pd.Series([0.001, -0.002, 0.001], index=range(3))

    def high(accuracy):
        others = [run("smote", k, accuracy + noise[k]) for k in range(3)]
        ours = [run("cgan", k, bar.iloc[k] + noise[2 - k]) for k in range(3)]
        return with_added(runs, others + ours).to_bar("cgan").high

    assert high(0.3) == pytest.approx(4.303 * 0.001732 / 3**0.5, abs=1e-5)
    assert high(0.80) > high(0.3)


@pytest.mark.usefixtures("many_tested")
def test_few_shot_recall_is_compared_with_the_best_of_it(page, results):
    (runs,) = results
    few = {"none": 0.1, "oversample": 0.6, "oversample+augment": 0.5}
    shown = runs.frame["method"].map(few).fillna(0.55)
    rows = page.methods_tables([replace(runs, frame=runs.frame.assign(few_shot=shown))])
    cells = {
        row.split(" | ")[0]: row.strip("| ").split(" | ")
        for row in rows.splitlines()[4:]
    }
    assert cells["| `oversample`"][3] == "**60.0**"
    assert "-5.0 (-5.0 to -5.0)" in cells["| `cgan+augment`"]
    assert "-10.0 (-10.0 to -10.0)" in cells["| **`oversample+augment`**"]


@pytest.mark.usefixtures("many_tested")
def test_a_quick_gan_is_paired_with_the_default(page, results):
    (runs,) = results
    quick = [run("cgan-2min+augment", k, 0.84 + 0.01 * k) for k in range(3)]
    rows = page.costs_table([with_added(runs, quick)]).splitlines()[2:]
    assert [row.count("-1.0 (-1.0 to -1.0)") for row in rows] == [0, 1]


def test_finished_runs_are_not_repeated(page, monkeypatch, tmp_path, capsys):
    import methods

    words = "--only digits --draws 0 --seeds 0 --methods none --judges linear --data ."
    words += f" --results {tmp_path / 'again'}"
    monkeypatch.setattr(methods, "STEPS", 1)
    monkeypatch.setattr(sys, "argv", ["methods.py", *words.split()])
    for printed in (1, 0):
        methods.main()
        assert capsys.readouterr().out.count('"method": "none"') == printed
    (one,) = json.loads((tmp_path / "again" / "methods_digits.json").read_text())[
        "runs"
    ]
    assert (one["draw"], one["seed"], one["judge"]) == (0, 0, "linear")


def test_one_pair_is_no_verdict(page, results):
    (runs,) = results
    one = replace(runs, frame=runs.frame[runs.frame["seed"] == 0])
    assert "(one pair)" in page.sets_table([one])
    assert "not enough runs" in page.sets_table([one])


def test_pairs_are_matched_by_draw_and_seed(page, results):
    (runs,) = results
    frame = pd.concat([runs.frame, runs.frame.assign(draw=1)])
    frame = frame[~((frame["method"] == "cgan+augment") & (frame["draw"] == 1))]
    mixed = replace(runs, frame=frame.sample(frac=1, random_state=0))
    found = mixed.to_bar("cgan+augment")
    assert found.n_pairs == 3
    assert found.mean == pytest.approx(0.05)


def test_methods_are_set_side_by_side_on_the_runs_that_all_of_them_have(page, results):
    (runs,) = results
    of_others = runs.frame[~runs.frame["method"].isin(["cgan+augment", "oversample"])]
    harder = of_others.assign(
        draw=1, balanced_accuracy=of_others["balanced_accuracy"] - 0.4
    )
    mixed = replace(runs, frame=pd.concat([runs.frame, harder]))
    assert mixed.bar == "oversample+augment"  # though oversample has easier runs only
    assert page.sets_table([mixed]) == page.sets_table(results)


def test_every_class_has_a_row(page, results):
    lines = page.classes_tables(results).splitlines()
    assert [line.split(" | ")[1] for line in lines if line[:3] in ("| 0", "| 1")] == [
        "50.0",
        "70.0",
    ]


@pytest.mark.usefixtures("many_tested")
def test_a_class_is_compared_with_each_method_without_a_gan(page, tmp_path):
    methods = {"none": 0.5, "oversample": 0.6, "oversample+augment": 0.8}
    recalls = {
        "none": [(0.2, 0.7), (0.21, 0.7), (0.19, 0.7)],
        "oversample": [(0.3, 0.7), (0.6, 0.7), (0.1, 0.7)],
        "oversample+augment": [(0.5, 0.9)] * 3,
        "cgan+augment": [(0.5, 0.7)] * 3,
    }
    runs = [
        run(method, seed, methods.get(method, 0.7), recall)
        for method, of_seeds in recalls.items()
        for seed, recall in enumerate(of_seeds)
    ]
    (tmp_path / "methods_blood.json").write_text(json.dumps({"runs": runs}))
    lines = page.classes_tables(page.read(tmp_path)).splitlines()
    titles, _, first, second = (line.strip("| ").split(" | ") for line in lines[2:])
    assert titles[2:] == ["to the bar", "to `none`", "to `oversample`"]
    assert (first[2], second[2]) == ("+0.0 (+0.0 to +0.0)", "-20.0 (-20.0 to -20.0)")
    assert first[3].startswith("+30.0 (+2")
    assert (first[4], second[4]) == ("+16.7", "+0.0")


def test_a_mean_is_bold_where_its_interval_leaves_out_zero(page):
    from tables import describe_mean

    from balancegan.evaluation.verdicts import paired_difference

    def shown(ours, others):
        return describe_mean(paired_difference(ours, others))

    assert shown([0.5, 0.6, 0.7], [0.3, 0.41, 0.5]) == "**+19.7**"
    assert shown([0.3, 0.41, 0.5], [0.5, 0.6, 0.7]) == "**-19.7**"
    assert shown([0.5, 0.6, 0.7], [0.3, 0.9, 0.5]) == "+3.3"
    assert shown([0.5], [0.3]) == "+20.0"
    assert shown([], []) == ""


def test_shifted_copies_are_compared_with_unshifted_ones(page, tmp_path):
    import tables

    runs = [
        {
            "draw": draw,
            "seed": 11,
            "times": times,
            "moved": moved,
            "shifts": shifts,
            "balanced_accuracy": 0.8 + gain + 0.01 * draw,
            "few_shot": 0.7 + 2 * gain,
        }
        for draw in (1, 0)
        for times, moved, shifts, gain in (
            (2, 0.5, False, 0.05),
            (1, 0.5, False, 0.04),
            (1, 0.0, False, 0.0),
            (1, 0.0, True, 0.0),
            (1, 0.5, True, -0.01),
        )
    ]
    (tmp_path / "copies_fashion_lt.json").write_text(json.dumps({"runs": runs}))
    lines = tables.moved_table(tmp_path).splitlines()[2:]
    first, second = (f"| {k}x the largest | " for k in (1, 2))
    assert lines[0] == f"{first}0% of copies | 80.5 | 70.0 | 2 | 80.5 | 70.0 | 2 |"
    gains = "84.5, +4.0 (+4.0 to +4.0) | 78.0, +8.0"
    assert lines[1].startswith(f"{first}50% of copies | {gains}")
    assert lines[2].startswith(f"{second}50% of rows | 85.5, +5.0")
    assert "79.5, -1.0 (-1.0 to -1.0) | 68.0, -2.0" in lines[1]
    assert tables.moved_table(tmp_path / "empty") == tables.to_markdown([])


def test_what_was_paused_has_no_minutes(page, results):
    (runs,) = results
    assert "| 1.0 | 1 |" in page.costs_table([runs])
    for row in runs.frame["seconds"]:
        row["fit"] = None
    assert "| not timed | 1 |" in page.costs_table([runs])
    for row in runs.frame["seconds"]:
        row["resample"] = None
    assert "| not timed | not timed |" in page.costs_table([runs])


def test_fillings_are_of_the_draws_that_chose_nothing(page, tmp_path):
    runs = [
        {
            "filling": "repeated",
            "shifts": False,
            "seed": seed,
            "balanced_accuracy": accuracy,
            "few_shot": 0.3,
        }
        for seed, accuracy in enumerate([0.9, 0.6, 0.7])
    ]
    (tmp_path / "filling_fashion_lt.json").write_text(json.dumps({"runs": runs}))
    assert "| 65.0 (60.0, 70.0); 30.0 |" in page.fillings_table(tmp_path)


def test_every_filling_has_words(page):
    import filling
    import tables

    assert set(tables.WORDED) == set(filling.FILLINGS)


@pytest.mark.parametrize(
    ("how", "share"),
    [("gan", 1), ("gan and again", 0.1), ("0% gan and again", 0), ("gan of all", 1)]
    + [("5% gan and again", 0.05), ("50% gan and again", 0.5), ("gan in all", 1)],
)
def test_a_filling_has_the_share_of_its_name(page, monkeypatch, how, share):
    import filling
    import numpy as np

    from balancegan import ConditionalGANAugmenter

    augmenter = ConditionalGANAugmenter()
    asked = []
    monkeypatch.setattr(
        augmenter, "resample", lambda *_: asked.append(augmenter.gan_share) or (0, 0)
    )
    of = filling.Filling.__new__(filling.Filling)
    of.x = of.y = np.zeros(1)
    monkeypatch.setattr(of, "_trained", lambda *_: augmenter, raising=False)
    of._generated(how, of.x, of.y, 1)
    assert asked == [share]


def test_what_images_are_worth_alone_is_no_filling(page, tmp_path):
    runs = [
        {
            "filling": filling,
            "shifts": True,
            "seed": seed,
            "balanced_accuracy": accuracy,
            "few_shot": 0.3,
        }
        for filling, seed, accuracy in (
            ("4000 gan of all alone", 1, 0.7),
            ("4000 gan of all alone", 2, 0.6),
            ("100 real alone", 1, 0.5),
            ("repeated", 1, 0.9),
        )
    ]
    (tmp_path / "filling_fashion_lt.json").write_text(json.dumps({"runs": runs}))
    assert page.alone_table(tmp_path).splitlines()[2:] == [
        "| Fashion-MNIST-LT | 100 | 50.0 (50.0) |  |  |",
        "| Fashion-MNIST-LT | 4,000 |  | 65.0 (60.0, 70.0) |  |",
    ]
    assert len(page.fillings_table(tmp_path).splitlines()) == 3


def test_pairs_spread_by_an_image_of_the_rarest_class(page, results):
    (runs,) = results
    an_image = 1 / (3 * 69)
    same = runs.difference("oversample", "none", "balanced_accuracy")
    assert same.mean == pytest.approx(0.1)
    assert same.high - same.mean == pytest.approx(4.303 * an_image / 3**0.5, rel=1e-3)
    of_class = runs.difference_of_class("oversample", "none", 0)
    assert (of_class.low, of_class.high) == (0, 0)  # no pair differs at all
    for row in runs.frame.index[runs.frame["method"] == "oversample"]:
        runs.frame.at[row, "recall"] = [0.5 + 2 / 69, 0.7]
    fresh = replace(runs, frame=runs.frame.copy())
    of_class = fresh.difference_of_class("oversample", "none", 0)
    assert of_class.low == pytest.approx((2 - 4.303 / 3**0.5) / 69, abs=1e-4)
