"""A GAN is trained where an image of the plan has to be generated, and only there."""

import json
import pickle
import subprocess
import sys
from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from balancegan import ConditionalGANAugmenter, DataError
from balancegan.attributes import Labels
from balancegan.gan.presets import PRESETS
from balancegan.gan.regions import Regions
from balancegan.gan.training import TrainingRun
from balancegan.samplers.training import plan_training

from .augmenters import build_augmenter
from .commands import invoke
from .conftest import make_images

SIDE = 8
ENOUGH = 8  # real images of a class that the GAN is tried for


@pytest.fixture
def untrained(monkeypatch):
    """Let every training fail."""
    monkeypatch.setattr(TrainingRun, "__init__", lambda *_, **__: pytest.fail("built"))


def goes_along(*, is_apart, n=60, n_rare=3):
    """Two attributes of three values each: how bright the top is, and the bottom.

    Where nothing is apart both change all pixels.
    """
    rng = np.random.default_rng(0)
    top = np.repeat(range(3), n)
    bottom = top.copy()
    for value in range(3):
        bottom[value * n :][:n_rare] = (value + 1) % 3
        bottom[value * n + n_rare :][:n_rare] = (value + 2) % 3
    shown = np.empty((len(top), SIDE, SIDE))
    if is_apart:
        shown[:, : SIDE // 2] = 60 * top[:, None, None]
        shown[:, SIDE // 2 :] = 60 * bottom[:, None, None]
    else:
        shown[:] = 30 * (top + bottom)[:, None, None]
    images = np.clip(shown + rng.normal(60, 10, shown.shape), 0, 255).astype("uint8")
    return images, pd.DataFrame({"label": top, "bottom": bottom})


def of_counts(*counts):
    return make_images(sum(counts)), np.repeat(range(len(counts)), counts)


def needs_gan(images, y, **parameters):
    augmenter = build_augmenter(verbose=0, **parameters)
    several = isinstance(y, pd.DataFrame)
    labels = Labels(tuple(y), tuple(y.to_numpy().T)) if several else Labels.of_one(y)
    return plan_training(augmenter, images, labels).needs_gan


@pytest.mark.parametrize(
    ("counts", "parameters", "expected"),
    [
        ((20, ENOUGH), {}, True),
        ((20, ENOUGH - 1), {}, False),  # too few to learn from
        ((20, 3, ENOUGH), {}, True),
        ((20, 20), {}, False),  # balanced already
        ((20, 20), {"sampling_strategy": 2.0}, True),
        ((20, ENOUGH), {"sampling_strategy": {1: ENOUGH}}, False),
        ((20, ENOUGH), {"max_ratio": 0}, False),
        ((20, ENOUGH), {"gan_share": 0}, False),
        ((20, ENOUGH), {"gan_share": 0.001}, True),
        ((20, ENOUGH), {"gan_share": 0, "steps": 5, "max_minutes": 2.0}, False),
        ((20, ENOUGH), {"gan_share": 1, "moves": "none"}, True),
        ((20, 3), {"gan_share": 1}, True),
        ((20, 20), {"gan_share": 1}, True),
    ],
)
def test_what_needs_a_gan(counts, parameters, expected):
    assert needs_gan(*of_counts(*counts), **parameters) is expected


@pytest.mark.parametrize(
    ("is_apart", "strategy", "share", "expected"),
    [
        (True, "combinations", 0.1, False),  # all are recombined
        (False, "combinations", 0.1, False),  # combinations of 3 images get copies
        (False, {(0, 0): 80}, 0.1, True),
        (False, {(0, 0): 80}, 0, False),
        (True, {(0, 0): 80}, 0.1, False),
    ],
)
def test_combinations_that_can_be_recombined_need_none(
    is_apart, strategy, share, expected
):
    images, y = goes_along(is_apart=is_apart)
    given = {"sampling_strategy": strategy, "gan_share": share}
    assert needs_gan(images, y, **given) is expected


@pytest.mark.parametrize("share", [0, 0.1])
def test_a_combination_without_images_needs_one(share):
    images, y = goes_along(is_apart=False)
    kept = ~((y["label"] == 0) & (y["bottom"] == 1)).to_numpy()
    given = {"sampling_strategy": "combinations", "gan_share": share}
    assert needs_gan(images[kept], y[kept], **given)


def test_one_label_has_no_regions(monkeypatch):
    monkeypatch.setattr(Regions, "of_real", None)
    assert needs_gan(*of_counts(20, ENOUGH))


@pytest.fixture
def copies_only(untrained):
    """An augmenter that needed no GAN, and what it was given."""
    X, y = of_counts(20, ENOUGH)
    augmenter = build_augmenter(gan_share=0, random_state=0, verbose=0)
    return augmenter.fit(X, y), X, y


def test_nothing_is_built_where_no_gan_is_needed(copies_only, tmp_path):
    augmenter, X, y = copies_only
    assert augmenter.model_.generator is None
    assert augmenter.model_.n_steps == 0
    assert len(augmenter.report_.history) == len(augmenter.report_.class_history) == 0
    assert augmenter.sampling_strategy_ == {1: 12}
    assert augmenter.report_.class_counts == {0: 20, 1: ENOUGH}
    augmenter.fit(X, y, checkpoint_dir=tmp_path / "checkpoints")
    assert not (tmp_path / "checkpoints").exists()


def test_copies_are_made_all_the_same(copies_only):
    augmenter, X, y = copies_only
    X_bal, y_bal = augmenter.resample()
    assert np.bincount(y_bal).tolist() == [20, 20]
    np.testing.assert_array_equal(X_bal[: len(X)], X)
    assert set(augmenter.method_[len(X) :]) == {"copied"}
    for again in (copy(augmenter), pickle.loads(pickle.dumps(augmenter))):
        np.testing.assert_array_equal(again.resample(None, X, y)[0], X_bal)


def test_copies_do_not_depend_on_whether_a_gan_was_trained(copies_only):
    augmenter, X, y = copies_only
    model = replace(augmenter.model_, generator=object(), n_steps=3)
    other = copy(augmenter)
    other.model_ = model
    np.testing.assert_array_equal(augmenter.resample()[0], other.resample()[0])


@pytest.mark.parametrize(
    "ask",
    [
        lambda a, _: a.sample(1, 2),
        lambda a, folder: a.save(folder / "model"),
        lambda a, _: a.set_params(gan_share=0.1).resample(),
        lambda a, _: a.set_params(gan_share=1).resample(),
        lambda a, _: a.set_params(gan_share=1).synthesize(),
    ],
)
def test_what_needs_a_generator_is_refused_without_one(copies_only, tmp_path, ask):
    augmenter, *_ = copies_only
    with pytest.raises(DataError, match="No GAN was trained.*gan_share, or other"):
        ask(augmenter, tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_targets_that_need_a_generator_are_refused(untrained):
    X, y = of_counts(20, 20)
    augmenter = build_augmenter(verbose=0).fit(X, y)
    assert len(augmenter.resample()[0]) == 40
    with pytest.raises(DataError, match="other targets"):
        augmenter.resample({0: 30})


def test_rare_combinations_are_recombined_without_a_generator(untrained):
    X, y = goes_along(is_apart=True)
    augmenter = build_augmenter(
        sampling_strategy="combinations", random_state=0, verbose=0
    )
    _, y_bal = augmenter.fit_resample(X, y)
    assert set(y_bal.value_counts()) == {y.value_counts().max()}
    assert set(augmenter.method_[len(X) :]) == {"recombined"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needed\n"),
        ({"steps": 9}, "; steps has no effect"),
        ({"steps": 9, "max_minutes": 1.0}, "; steps and max_minutes have no effect"),
        ({"log_dir": "runs"}, "; log_dir has no effect"),
    ],
)
def test_a_setting_of_training_without_effect_is_named(untrained, capsys, given, said):
    build_augmenter(gan_share=0, **given).fit(*of_counts(20, ENOUGH))
    printed = capsys.readouterr().err
    assert "no GAN is trained, because no generated image is needed" in printed
    assert said in printed


@pytest.fixture
def file(tmp_path):
    images, y = goes_along(is_apart=True)
    np.savez(tmp_path / "data.npz", X=images, y=y["label"], bottom=y["bottom"])
    return tmp_path / "data.npz"


def run(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


BALANCED = (
    "--balance-on",
    "label,bottom",
    "--target",
    "combinations",
    "--random-state",
    "0",
)


def test_the_command_line_says_that_nothing_is_trained(file, tmp_path, untrained):
    result = run("balance", file, *BALANCED, "--dry-run", "--json")
    facts = json.loads(result.stdout)
    assert (facts["steps"], facts["needs_gan"]) == (0, False)
    times = ("training_seconds", "judging_seconds", "synthesis_seconds")
    assert {facts[name] for name in times} == {0}
    assert "no GAN would be trained" in result.stderr
    out = tmp_path / "out.npz"
    result = run("balance", file, *BALANCED, "--out", out, "--json")
    assert json.loads(result.stdout)["steps"] == 0
    assert not list(tmp_path.glob("*checkpoints*"))


def test_train_always_trains(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "default", replace(PRESETS["default"], steps=2))
    X, y = of_counts(9, 9)
    np.savez(tmp_path / "even.npz", X=X, y=y)
    model = tmp_path / "model"
    result = run("train", tmp_path / "even.npz", "--model", model, "--json")
    assert json.loads(result.stdout)["steps"] == 2
    loaded = ConditionalGANAugmenter.load(model)
    assert loaded.gan_share == 0.1  # what fills a class is decided later
    assert loaded.sample(0, 2).shape == (2, 8, 8)


ASKED = """
import sys
from balancegan.cli.commands import main
for folder, out in zip(sys.argv[1::2], sys.argv[2::2]):
    asked = ["balance", folder, "--out", out, "--gan-share", "0", "--json"]
    main(asked, standalone_mode=False)
print("imported:", *{"keras", "tensorflow", "click"} & set(sys.modules))
"""


def test_copies_import_neither_keras_nor_tensorflow(data, photos, tmp_path):
    """At the command line and in Python, for arrays and for files."""
    paths = (data, tmp_path / "b.npz", photos, tmp_path / "b")
    printed = subprocess.run(
        [sys.executable, "-c", ASKED, *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed.splitlines()[-1] == "imported: click"
    assert len(list((tmp_path / "b").rglob("*.png"))) == 24
