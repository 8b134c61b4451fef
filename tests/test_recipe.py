"""How long a GAN is trained that real images may make unneeded."""

import json
from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.base import clone

from balancegan import BriefTrainingWarning, ConditionalGANAugmenter
from balancegan.attributes import Labels
from balancegan.cli.commands import main
from balancegan.gan.presets import PRESETS
from balancegan.gan.regions import Regions
from balancegan.images import find_format
from balancegan.recipe import choose_recipe

SIDE, STEPS = 8, 21
IMAGE_FORMAT = find_format(np.zeros((1, SIDE, SIDE), "uint8"))
PARAMETERS = ConditionalGANAugmenter().get_params()


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setitem(PRESETS, "default", replace(PRESETS["default"], steps=STEPS))


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


def recipe(images, y, workers=None, **parameters):
    labels, chosen = Labels(tuple(y), tuple(y.to_numpy().T)), PARAMETERS | parameters
    return choose_recipe(chosen, images, labels, IMAGE_FORMAT, 0, workers)


def test_a_tenth_of_the_steps_where_real_images_show_regions():
    chosen = recipe(*goes_along(is_apart=True))
    assert (chosen.steps, chosen.is_brief) == (3, True)  # rounded up
    assert chosen == replace(PRESETS["default"], steps=3, is_brief=True)
    assert recipe(*goes_along(is_apart=False)) == PRESETS["default"]


def test_of_epochs_too():
    images, y = goes_along(is_apart=True)
    chosen = recipe(images, y, preset="tutorial", batch_size=64)
    passes = PRESETS["tutorial"].epochs * (len(images) // 64)
    assert (chosen.steps, chosen.is_brief) == (np.ceil(passes / 10), True)


@pytest.mark.parametrize(
    "said", [{"steps": 30}, {"steps": "auto"}, {"max_minutes": 2.0}, {"gan_only": True}]
)
@pytest.mark.parametrize("columns", [["label", "bottom"], ["label"]])
def test_who_says_how_long_or_wants_the_gan_is_not_overruled(
    said, columns, monkeypatch
):
    monkeypatch.setattr(Regions, "of_real", None)  # not even looked at
    images, y = goes_along(is_apart=True)
    assert not recipe(images, y[columns], gan_share=0, **said).is_brief


@pytest.mark.parametrize(("share", "is_brief"), [(0, True), (0.001, False), (1, False)])
def test_copies_alone_need_no_gan(share, is_brief):
    images, y = goes_along(is_apart=False)
    assert recipe(images, y[["label"]], gan_share=share).is_brief == is_brief
    # There may be combinations to be made that no image has
    assert not recipe(images, y, gan_share=share).is_brief


def test_one_label_has_no_regions(monkeypatch):
    monkeypatch.setattr(Regions, "of_real", None)
    images, y = goes_along(is_apart=True)
    assert recipe(images, y[["label"]]) == PRESETS["default"]


@pytest.mark.parametrize("chief_says", [0, 1])
def test_all_who_train_together_take_the_chiefs_word(chief_says):
    class Others:
        def from_chief(self, values):
            assert values.dtype == "int32"
            return np.full_like(values, chief_says)

    chosen = recipe(*goes_along(is_apart=not chief_says), Others())
    assert chosen.is_brief == bool(chief_says)


@pytest.fixture(scope="module")
def brief():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "default", replace(PRESETS["default"], steps=STEPS))
        augmenter = ConditionalGANAugmenter(
            sampling_strategy="combinations", batch_size=8, random_state=0, verbose=1
        )
        X, y = goes_along(is_apart=True)
        X_bal, y_bal = augmenter.fit_resample(X, y)
    return augmenter, X, y, y_bal, X_bal


def test_resampling_needs_no_image_of_a_gan_that_was_trained_briefly(brief):
    augmenter, X, y, y_bal, _ = brief
    assert augmenter.model_.n_steps == 3
    assert set(y_bal.value_counts()) == {y.value_counts().max()}
    assert set(augmenter.method_[len(X) :]) == {"recombined"}


def test_what_is_put_together_does_not_depend_on_the_gan(brief):
    augmenter, X, y, _, X_bal = brief
    other = clone(augmenter).set_params(steps=1, batch_size=4, verbose=0)
    np.testing.assert_array_equal(other.fit_resample(X, y)[0], X_bal)
    assert other.model_.n_steps == 1
    weights = (a.model_.generator.get_weights() for a in (augmenter, other))
    assert any((one != another).any() for one, another in zip(*weights, strict=True))


def test_images_of_it_come_with_a_warning(brief, tmp_path):
    augmenter, *_ = brief
    with pytest.warns(BriefTrainingWarning, match="for 3 steps.*steps=") as caught:
        augmenter.sample((0, 1), 2)
    assert caught[0].filename == __file__
    augmenter.save(tmp_path / "model")
    loaded = ConditionalGANAugmenter.load(tmp_path / "model")
    with pytest.warns(BriefTrainingWarning):
        loaded.sample((0, 1), 2)


def test_so_does_resampling_where_images_show_no_regions_any_more(brief):
    augmenter, *_ = brief
    others = goes_along(is_apart=False)
    augmenter = copy(augmenter).set_params(verbose=0, reject=False)
    with pytest.warns(BriefTrainingWarning) as caught:
        augmenter.resample({(0, 0): 80}, *others)
    assert "gan" in augmenter.method_
    assert caught[0].filename == __file__


def test_copies_come_with_no_warning_until_images_of_the_gan_are_asked_for():
    images, y = goes_along(is_apart=False)
    images, y = images[:100], y["label"][:100].to_numpy()
    augmenter = ConditionalGANAugmenter(
        gan_share=0, batch_size=8, reject=False, random_state=0, verbose=0
    )
    _, y_bal = augmenter.fit_resample(images, y)
    assert augmenter.model_.n_steps == 3
    assert np.bincount(y_bal).tolist() == [60, 60]
    assert set(augmenter.method_[100:]) == {"copied"}
    with pytest.warns(BriefTrainingWarning, match="copied"):
        augmenter.sample(1, 2)
    with pytest.warns(BriefTrainingWarning):
        augmenter.set_params(gan_share=0.1).resample()


@pytest.fixture
def file(tmp_path):
    images, y = goes_along(is_apart=True)
    np.savez(tmp_path / "data.npz", X=images, y=y["label"], bottom=y["bottom"])
    return tmp_path / "data.npz"


def run(*arguments):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


BALANCED = ("--balance-on", "label,bottom", "--target", "combinations", "--seed", "0")


def test_the_command_line_says_so_before_and_after(file, tmp_path):
    result = run("balance", file, *BALANCED, "--dry-run", "--json")
    facts = json.loads(result.stdout)
    assert (facts["steps"], facts["recombines"]) == (3, True)
    assert facts["judging_seconds"] == 0
    assert "recombined from real ones" in " ".join(result.stderr.split())
    result = run("balance", file, *BALANCED, "--out", tmp_path / "out.npz", "--json")
    facts = json.loads(result.stdout)
    assert (facts["steps"], facts["preset"]["is_brief"]) == (3, True)
    assert "a tenth of the training is enough" in result.stderr
    card = (tmp_path / "out.card.md").read_text()
    assert "3 steps, a tenth of the preset's" in card
    result = run("balance", file, *BALANCED, "--dry-run", "--json", "--minutes", "0.1")
    facts = json.loads(result.stdout)
    assert (facts["training_seconds"], facts["recombines"]) == (6, True)
    result = run("balance", file, *BALANCED, "--dry-run", "--json", "--gan-only")
    facts = json.loads(result.stdout)
    assert (facts["steps"], facts["recombines"]) == (STEPS, False)


@pytest.mark.filterwarnings("always::balancegan.BriefTrainingWarning")
def test_a_model_that_is_trained_to_be_kept_is_trained_whole(file, tmp_path):
    model = tmp_path / "model"
    result = run("train", file, "--model", model, "--attributes", "bottom", "--json")
    assert json.loads(result.stdout)["steps"] == STEPS
    asked = ("--class", "0", "--attribute", "bottom=1", "--n", "2")
    result = run("generate", model, *asked, "--out", tmp_path / "whole")
    assert "warning" not in result.stderr
    kept = tmp_path / "kept"
    run("balance", file, *BALANCED, "--out", tmp_path / "b.npz", "--save-model", kept)
    result = run("generate", kept, *asked, "--out", tmp_path / "brief")
    assert "warning: This GAN was trained for 3 steps" in result.stderr


def test_the_command_line_says_what_copies_cost(tmp_path, monkeypatch):
    images, y = goes_along(is_apart=False)
    file, out = tmp_path / "data.npz", tmp_path / "out.npz"
    np.savez(file, X=images[:100], y=y["label"][:100])
    options = (file, "--gan-share", "0", "--seed", "0", "--json")
    facts = json.loads(run("balance", *options, "--dry-run").stdout)
    assert (facts["steps"], facts["recombines"]) == (3, False)
    assert (facts["judging_seconds"], facts["synthesis_seconds"]) == (0, 0)
    result = run("balance", *options, "--out", out)
    facts = json.loads(result.stdout)
    assert (facts["steps"], facts["preset"]["is_brief"]) == (3, True)
    assert "None of the GAN's images will be needed" in result.stderr
    assert "3 steps, a tenth of the preset's" in (tmp_path / "out.card.md").read_text()
