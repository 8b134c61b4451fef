"""What a run would cost is said within a time that does not depend on the data."""

from dataclasses import asdict

import numpy as np
import pytest

from balancegan import ConditionalGANAugmenter
from balancegan.cli import estimate
from balancegan.cli.display import Display
from balancegan.cli.estimate import Limit, StepTime, estimate_cost, time_step

from .conftest import make_images


class Machine:
    """A clock, and steps that take so long on it."""

    def __init__(self, overhead, per_image):
        self.now, self.steps = 0.0, []
        self.overhead, self.per_image = overhead, per_image

    def __call__(self):
        return self.now

    def take(self, n):
        self.steps.append(n)
        self.now += self.overhead + n * self.per_image


@pytest.mark.parametrize("per_image", [1e-4, 1e-2, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("overhead", [0.0, 0.1, 5.0])
def test_no_step_is_begun_that_would_not_end_in_time(overhead, per_image):
    machine = Machine(overhead, per_image)
    time_step(machine.take, 64, Limit(20.0, machine), 0.75)
    first = overhead + 2 * per_image
    assert machine.now <= max(20.0, first)
    assert machine.steps[0] == 2


def test_images_count_and_little_of_what_is_no_work_on_them():
    quick, slow = (
        time_step(machine.take, 64, Limit(20.0, machine))
        for machine in (Machine(0.2, 0.01), Machine(0.2, 0.04))
    )
    assert slow.seconds - quick.seconds == pytest.approx(
        64 * 0.03 * estimate.PER_IMAGE, rel=0.01
    )
    assert slow.compiling == pytest.approx(quick.compiling)
    assert not quick.is_least


def test_a_step_that_others_were_in_the_way_of_does_not_count():
    machine, undisturbed = Machine(0.2, 0.01), Machine(0.2, 0.01)
    disturbed_at = {1, 2, 6}

    def take(n):
        machine.now += 2.0 * (len(machine.steps) in disturbed_at)
        machine.take(n)

    found, expected = (
        time_step(step, 64, Limit(40.0, own))
        for step, own in ((take, machine), (undisturbed.take, undisturbed))
    )
    assert found.seconds == pytest.approx(expected.seconds)


def test_what_cannot_be_measured_is_said_to_take_as_long_or_longer():
    machine = Machine(0.0, 30.0)
    step = time_step(machine.take, 64, Limit(20.0, machine))
    assert step.is_least
    assert 0 < step.seconds < 60 / estimate.LONGEST_TO_NEXT
    over = time_step(machine.take, 64, Limit(0.0, machine))
    assert over == StepTime(0.0, 0.0, is_least=True)
    assert machine.steps == [2]


def test_steps_of_one_size_alone_give_a_lower_bound():
    machine = Machine(4.0, 0.01)  # time for the first two steps only
    step = time_step(machine.take, 64, Limit(20.0, machine))
    assert machine.steps == [2, 2]
    assert step.is_least
    assert 0 < step.seconds <= 4.02 * estimate.PER_STEP


def test_an_estimate_ends_in_time_however_slow_steps_are(monkeypatch, capsys):
    """With a clock on which every step, of whatever network, takes 7 seconds."""
    now = [0.0]

    def slow(take, size, limit, share=0.5):
        def slowly(n):
            take(n)
            now[0] += 7

        return time_step(slowly, size, limit, share)

    monkeypatch.setattr(estimate, "time_step", slow)
    monkeypatch.setattr(estimate.TrainingRun, "fit", lambda *_: pytest.fail("trained"))
    X, y = make_images(12), np.repeat([0, 1], [9, 3])
    augmenter = ConditionalGANAugmenter(steps=3_000, gan_share=1, verbose=0)
    limit = Limit(15.0, lambda: now[0])
    cost = estimate_cost(augmenter, X, y, 6, limit)
    assert now[0] <= 15
    assert cost.is_least
    assert cost.training_seconds > 600
    Display(quiet=False).say_estimate(asdict(cost), 6)
    said = capsys.readouterr().err
    assert "in at least" in said
    assert "too slow here to be measured" in said
    assert " 0 s" not in said


def test_times_below_a_second_are_not_said_to_be_none(capsys):
    cost = estimate.Estimate(300, 90.0, 0.2, 0.0, 10**9, needs_gan=True)
    Display(quiet=False).say_estimate(asdict(cost), 6)
    said = " ".join(capsys.readouterr().err.split())
    assert "300 steps in about 1 min 30 s, check quality in less than 1 s" in said
    assert "make 6 images in less than 1 s; memory: about 1.00 GB" in said


def test_an_estimate_leaves_settings_alone_and_counts_minutes():
    X, y = make_images(12), np.repeat([0, 1], [9, 3])
    augmenter = ConditionalGANAugmenter(
        steps=10**8, max_minutes=600, gan_share=1, verbose=0
    )
    before = augmenter.get_params()
    cost = estimate_cost(augmenter, X, y, 6)
    assert augmenter.get_params() == before
    assert cost.training_seconds == 36_000
    assert cost.steps > 1


def test_where_no_gan_is_needed_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(estimate, "time_step", lambda *_: pytest.fail("measured"))
    X, y = make_images(12), np.repeat([0, 1], [9, 3])
    cost = estimate_cost(ConditionalGANAugmenter(verbose=0), X, y, 6)
    assert (cost.steps, cost.training_seconds, cost.needs_gan) == (0, 0.0, False)
