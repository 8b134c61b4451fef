import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from balancegan.errors import TrainingFailed, TrainingWarning
from balancegan.gan import callbacks, conditional_gan, history
from balancegan.gan.budget import Budget
from balancegan.gan.callbacks import LossMonitor, QualityMonitor
from balancegan.gan.checkpoint import State
from balancegan.gan.conditional_gan import ConditionalGAN
from balancegan.gan.history import History

from .augmenters import build_augmenter


class ScriptedMeter:
    """Measures what it was told to, one distance a look."""

    judge = None

    def __init__(self, distances):
        self.distances = list(distances)

    def measure(self):
        distance = self.distances.pop(0)
        return [{"class": 0, "agreement": 1, "diversity": 1, "distance": distance}]


class FakeGenerator:
    """One weight, which is the number of the step."""

    def __init__(self, gan):
        self.gan, self.restored = gan, None

    def get_weights(self):
        return [np.array(self.gan.step)]

    def set_weights(self, weights):
        self.restored = weights[0]


class FakeGAN:
    def __init__(self):
        self.step, self.stop_training = 0, False
        self.sampling_generator = FakeGenerator(self)

    @property
    def steps_done(self):
        return self.step

    def reset_losses(self):
        pass


def run(distances, steps, *, until_flat_at=None, again_at=None):
    """Train a fake for at most `steps` steps, ten a call.

    At `again_at` steps all but the fake is made anew and restored from its state.
    """
    gan, meter = FakeGAN(), ScriptedMeter(distances)

    def new_parts():
        history, budget = History(), Budget(steps, None)
        watching = QualityMonitor(
            meter,
            history,
            budget,
            sampler=gan.sampling_generator,
            until_flat_at=until_flat_at,
        )
        watching.set_model(gan)
        return history, budget, watching

    history, budget, watching = new_parts()
    while not budget.is_used_up(gan.step) and not gan.stop_training:
        gan.step += 10
        watching.on_train_batch_end(0)
        if gan.step == again_at:
            parts, history, budget, watching = (history, budget, watching), *new_parts()
            for old, new in zip(parts, (history, budget, watching), strict=True):
                state = old.state()
                facts = json.loads(json.dumps(state.facts))
                new.restore(
                    State(facts, {k: a.copy() for k, a in state.arrays.items()})
                )
    watching.on_train_end()
    return gan, watching, history


def test_evaluations_are_spread_over_the_budget():
    _, _, history = run([0.5] * 12, 1200)
    assert history.frame()["step"].tolist() == list(range(200, 1201, 100))


def test_short_training_is_not_evaluated():
    gan, watching, history = run([], 190)
    assert len(history.frame()) == 0
    assert watching.restore_best() == 190
    assert gan.sampling_generator.restored is None


def test_the_best_state_is_kept():
    distances = [0.5, 0.3, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5]
    gan, watching, _ = run(distances, 1200)
    assert watching.restore_best() == 400
    assert gan.sampling_generator.restored == 400


def test_of_states_equally_good_the_latest_is_kept():
    distances = [0.5, 0.3, 0.1, 0.2, 0.3, 0.4, 0.104, 0.2, 0.2, 0.2, 0.2]
    _, watching, _ = run(distances, 1200)
    assert watching.restore_best() == 800


def test_auto_stops_when_images_no_longer_improve():
    falling = [0.5, 0.4, 0.3, 0.2, 0.1]
    gan, watching, _ = run(falling + [0.1] * 99, 20_000, until_flat_at=1.0)
    assert gan.step == 500 * 10
    assert watching.restore_best() == gan.step


def test_auto_leaves_the_rest_of_the_budget_to_the_falling_rate():
    falling = [0.5, 0.4, 0.3, 0.2, 0.1]
    gan, _, history = run(falling + [0.1] * 99, 20_000, until_flat_at=0.4)
    assert gan.step == 500 * 10 / 0.4
    assert history.frame()["step"].iloc[-1] == gan.step


def test_auto_continues_while_images_improve():
    gan, _, _ = run([0.9**k for k in range(40)], 20_000, until_flat_at=0.4)
    assert gan.step == 20_000


@given(st.integers(1, 500).map(lambda calls: 10 * calls), st.integers(0, 9))
@example(3200, 3)
@example(5000, 0)
def test_resumed_evaluations_are_the_same(again_at, best):
    distances = [0.5 + 0.1 * abs(k - best) for k in range(99)]
    ends, last = [], []
    for at in (None, again_at):
        gan, watching, history = run(distances, 20_000, until_flat_at=0.6, again_at=at)
        ends.append(
            (gan.step, watching.restore_best(), int(gan.sampling_generator.restored))
        )
        last.append(history.frame().drop(columns=["seconds", "evaluation_seconds"]))
    assert ends[0] == ends[1]
    assert last[0].equals(last[1])


class CollapsingMeter:
    """Measures the diversities that it was told to, of two classes a look."""

    def __init__(self, *looks):
        self.looks = list(looks)

    def measure(self):
        figures = {"agreement": 1, "distance": 0.5}
        return [
            {"class": name, "diversity": diversity, **figures}
            for name, diversity in zip(["bag", "shirt"], self.looks.pop(0), strict=True)
        ]


def evaluate(*looks, first=500):
    gan = FakeGAN()
    watching = QualityMonitor(
        CollapsingMeter(*looks),
        History(),
        Budget(100, None),
        sampler=gan.sampling_generator,
        until_flat_at=None,
    )
    watching.set_model(gan)
    for i in range(len(looks)):
        watching.evaluate(first + 100 * i)


def test_one_warning_per_collapse():
    with pytest.warns(TrainingWarning, match="'shirt' .* step 700: .* 0.10 of") as said:
        evaluate((0.9, 0.9), (0.9, 0.1), (0.8, 0.1), (0.9, 0.1), (0.9, 0.1))
    assert len(said) == 1


def test_no_warning_without_a_collapse():
    nan = float("nan")  # of a class of equal images
    evaluate((0.9, 0.1), (0.1, 0.9), (0.9, 0.3), (nan, 0.1))  # warnings are errors
    evaluate((0.1, 0.1), (0.1, 0.1), (0.1, 0.1), first=100)  # has not begun to vary


def test_diverged_training_rolls_back_and_lowers_the_rate(small_set, monkeypatch):
    finish = ConditionalGAN.finish_step
    rates = []

    def finish_or_diverge(self, d_loss, g_loss):
        rates.append(float(self.generator_optimizer.learning_rate.numpy()))
        bad = int(self.step) == 2 and len(rates) < 6
        return finish(self, d_loss, g_loss * (np.nan if bad else 1))

    monkeypatch.setattr(ConditionalGAN, "finish_step", finish_or_diverge)
    monkeypatch.setattr(conditional_gan, "STEPS_PER_CALL", 1)
    monkeypatch.setattr(callbacks, "LOSS_INTERVAL", 2)
    with pytest.warns(TrainingWarning, match="step 3: .* back to step 2 ") as said:
        augmenter = fit(small_set, steps=4)
    assert sum(each.category is TrainingWarning for each in said) == 3
    assert augmenter.model_.n_steps == 4
    # At step 2 of 4 the falling of the rate has begun
    assert [rates[i] / rates[i - 1] for i in (3, 4, 5)] == pytest.approx([0.25] * 3)
    assert all(
        np.isfinite(weights).all()
        for weights in augmenter.model_.generator.get_weights()
    )


def test_losses_of_nan_end_training():
    watching = LossMonitor(History(), Budget(100, None))
    watching.set_model(FakeGAN())
    with pytest.raises(TrainingFailed, match="generator loss is nan"):
        watching.on_train_batch_end(0, {"generator_loss": float("nan")})


@pytest.fixture
def evaluated_early(monkeypatch):
    """Evaluate the images from the first call on, with a judge of few steps."""
    monkeypatch.setattr(callbacks, "FIRST_EVALUATION", 1)
    monkeypatch.setattr("balancegan.gan.conditional_gan.STEPS_PER_CALL", 1)
    monkeypatch.setattr("balancegan.gan.judge.JUDGE_STEPS", 6)


def fit(small_set, **parameters):
    settings = {"steps": 3, "batch_size": 4, "random_state": 0, "verbose": 0}
    return build_augmenter(**{**settings, **parameters}).fit(*small_set)


def test_logging_does_not_change_what_is_learned(small_set, evaluated_early, tmp_path):
    unwatched = fit(small_set, log_dir=None)
    watched = fit(small_set, log_dir=tmp_path, verbose=1)
    np.testing.assert_array_equal(
        unwatched.sample("boot", 9), watched.sample("boot", 9)
    )


def test_history_has_a_row_per_evaluation_and_class(small_set, evaluated_early):
    augmenter = fit(small_set)
    frame = augmenter.report_.class_history
    assert set(frame["class"]) == {"bag", "boot", "shirt"}
    assert frame["step"].unique().tolist() == [1, 2, 3]
    assert augmenter.report_.history["distance"].notna().sum() == 3
    assert (augmenter.report_.history["evaluation_seconds"].dropna() > 0).all()
    assert augmenter.model_.kept_step in (1, 2, 3)


def test_the_kept_state_is_the_evaluated_one(small_set, evaluated_early, monkeypatch):
    seen = {}
    evaluate = QualityMonitor.evaluate

    def record(self, step):
        evaluate(self, step)
        # The first look wins, whatever the images are
        self.best_step, self.best_distance = 1, -1.0
        if step == 1:
            self.best_weights = self.model.sampling_generator.get_weights()
        seen[step] = np.concatenate(list(self.meter.model.make_images(1, 0, 4)))

    monkeypatch.setattr(QualityMonitor, "evaluate", record)
    augmenter = fit(small_set)
    assert augmenter.model_.kept_step == 1
    np.testing.assert_array_equal(augmenter.sample("boot", 4), seen[1])
    assert (seen[1] != seen[3]).any()


def test_a_run_writes_lines_grids_and_event_files(small_set, evaluated_early, tmp_path):
    pytest.importorskip("tensorboard")
    for _ in range(2):
        fit(small_set, log_dir=tmp_path / "runs", tensorboard=True)
    for run_folder in (tmp_path / "runs" / "run-1", tmp_path / "runs" / "run-2"):
        lines = (run_folder / "history.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        assert [e["step"] for e in events if e["event"] == "quality"] == [1, 2, 3]
        assert [e["step"] for e in events if e["event"] == "losses"] == [1, 3]
        assert sorted(file.name for file in (run_folder / "samples").iterdir()) == [
            "step_000001.png",
            "step_000002.png",
            "step_000003.png",
        ]
        assert list(run_folder.glob("events.out.tfevents.*"))


def test_concurrent_runs_have_separate_folders(tmp_path, monkeypatch):
    (tmp_path / "run-1").mkdir()
    # As it looks to a run whose number another one takes just then
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert history._make_run_folder(tmp_path).name == "run-2"


def test_progress_names_the_few_shot_classes(small_set, evaluated_early, capsys):
    fit(small_set, verbose=1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "step 1: " in shown.err
