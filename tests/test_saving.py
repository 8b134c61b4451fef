import json
import shutil
import time
import tracemalloc
from dataclasses import asdict, replace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balancegan import ConditionalGANAugmenter, DataError, SavedModelError
from balancegan.gan import saving
from balancegan.gan.networks import (
    GENERATORS,
    build_projection_generator,
    build_tutorial_generator,
)
from balancegan.gan.presets import PRESETS
from balancegan.gan.saving import (
    CHECKSUM,
    FACTS_FILE,
    FORMAT_VERSION,
    GENERATOR_FILE,
    checksum,
)

from .augmenters import build_augmenter
from .conftest import make_images


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "bags.balancegan"
    trained.save(path)
    return path


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy.balancegan")


def test_a_loaded_model_makes_the_same_images(trained, saved):
    loaded = ConditionalGANAugmenter.load(saved)
    np.testing.assert_array_equal(loaded.sample("boot", 70), trained.sample("boot", 70))
    assert loaded.get_params() == trained.get_params()
    assert loaded.classes_.tolist() == ["bag", "boot", "shirt"]
    assert loaded.report_.class_counts == trained.report_.class_counts


def test_a_loaded_model_resamples_given_data(trained, saved, small_set):
    loaded = ConditionalGANAugmenter.load(saved)
    with pytest.raises(DataError, match="Give both"):
        loaded.resample({"boot": 9})
    X_bal, y_bal = loaded.resample({"boot": 9}, *small_set)
    expected, _ = trained.resample({"boot": 9})
    np.testing.assert_array_equal(X_bal, expected)
    assert y_bal[-5:].tolist() == ["boot"] * 5


def test_a_model_is_weights_and_json_and_nothing_else(trained, saved):
    assert sorted(file.name for file in saved.iterdir()) == [
        FACTS_FILE,
        GENERATOR_FILE,
    ]
    facts = json.loads((saved / FACTS_FILE).read_text())
    assert facts["format_version"] == FORMAT_VERSION
    assert {"keras", "tensorflow", "balancegan"} <= set(facts["library_versions"])
    assert facts["parameters"]["steps"] == 20
    assert facts["preset"] == asdict(trained.model_.preset)


def test_loading_needs_the_users_generator_again(small_set, tmp_path, saved):
    augmenter = build_augmenter(
        generator=build_tutorial_generator, steps=1, random_state=0, verbose=0
    ).fit(*small_set)
    augmenter.save(tmp_path / "own")
    with pytest.raises(SavedModelError, match="generator="):
        ConditionalGANAugmenter.load(tmp_path / "own")
    with pytest.raises(SavedModelError, match="do not fit"):
        ConditionalGANAugmenter.load(
            tmp_path / "own", generator=build_projection_generator
        )
    with pytest.raises(SavedModelError, match="built by balancegan"):
        ConditionalGANAugmenter.load(saved, generator=build_tutorial_generator)
    loaded = ConditionalGANAugmenter.load(
        tmp_path / "own", generator=build_tutorial_generator
    )
    np.testing.assert_array_equal(loaded.sample("bag", 3), augmenter.sample("bag", 3))
    assert loaded.preset.generator is build_tutorial_generator


@pytest.mark.parametrize(
    "parameters",
    [
        {"sampling_strategy": {1: 5}, "value_range": (0, 255)},
        {"sampling_strategy": 0.75, "image_shape": (8, 8, 1)},
        {"random_state": np.random.RandomState(3), "max_ratio": np.float64(2)},
    ],
)
def test_parameters_survive(tmp_path, parameters):
    X, y = make_images(6), np.array([0, 0, 0, 0, 1, 1])
    augmenter = build_augmenter(steps=1, gan_share=1, verbose=0, **parameters).fit(X, y)
    augmenter.save(tmp_path / "model")
    loaded = ConditionalGANAugmenter.load(tmp_path / "model").get_params()
    if "random_state" in parameters:
        assert loaded.pop("random_state") is None
        parameters = {"max_ratio": 2.0}
    assert loaded.items() >= parameters.items()


def test_a_function_cannot_be_saved(tmp_path):
    X, y = make_images(6), np.array([0, 0, 0, 0, 1, 1])
    augmenter = build_augmenter(
        sampling_strategy=lambda y: {1: 4}, steps=1, gan_share=1, verbose=0
    )
    with pytest.raises(SavedModelError, match="function"):
        augmenter.fit(X, y).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_only_a_model_is_overwritten_and_only_if_allowed(trained, copy, tmp_path):
    with pytest.raises(SavedModelError, match="exists already"):
        trained.save(copy)
    trained.save(copy, overwrite=True)
    folder = tmp_path / "photos"
    folder.mkdir()
    with pytest.raises(SavedModelError, match="Only a saved model"):
        trained.save(folder, overwrite=True)
    with pytest.raises(SavedModelError, match="no folder"):
        trained.save(tmp_path / "missing" / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "copy.balancegan",
        "photos",
    ]


def test_nothing_is_left_behind_when_saving_fails(trained, tmp_path, monkeypatch):
    def fail(path):
        raise OSError("No space left on device")

    monkeypatch.setattr(trained.model_.generator, "save_weights", fail)
    with pytest.raises(OSError, match="No space"):
        trained.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def rewrite(path, *keys, value):
    """Change a fact as somebody would who makes the checksum anew."""
    file = path / FACTS_FILE
    facts = json.loads(file.read_text())
    inner = facts
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    facts[CHECKSUM] = checksum(facts, path / GENERATOR_FILE)
    file.write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["format"], "other", "does not describe"),
        (["format_version"], 99, "format 99"),
        (["preset", "networks"], "unknown", "damaged"),
        (["preset", "extra"], 1, "damaged"),
        (["image_format"], None, "damaged"),
        (["attributes", 0, "values"], ["bag"], "damaged"),
        (["attributes", 0, "values"], ["bag", "boot", "shirt", "sock"], "damaged"),
        (["attributes"], [], "damaged"),
        (["parameters", "extra"], 1, "parameters"),
        (["image_format", "image_shape"], [12, 12, 1], "damaged.*images of"),
        (
            ["image_format"],
            {
                "row_shape": [12, 12],
                "image_shape": [12, 12, 1],
                "dtype": "uint8",
                "low": 0,
                "high": 255,
            },
            "do not fit",
        ),
        (["image_format", "dtype"], "", "damaged"),
        (["image_format", "dtype"], "object", "damaged.*images of"),
        (["image_format", "dtype"], ",,,", "damaged"),
        (["image_format", "high"], None, "damaged.*high is 'None'"),
        (["image_format", "high"], -3, "damaged.*values from"),
        (["counts", 0], float("nan"), "damaged.*counts"),
        (["counts", 0], "", "damaged.*counts"),
        (["counts", 0], -1, "damaged.*counts"),
        (["class_names"], ["a"], "damaged.*class_names are 1"),
        (["seed"], -1, "damaged.*seed is -1"),
        (["file_range"], [3, 1], "damaged.*file_range is"),
        (["file_range"], ["a", 1], "damaged.*file_range is"),
        (["kept_step"], True, "damaged.*kept_step"),
        (["parameters", "max_ratio"], "much", "parameters"),
    ],
)
def test_damaged_facts_are_refused(copy, keys, value, message):
    rewrite(copy, *keys, value=value)
    with pytest.raises(SavedModelError, match=message):
        ConditionalGANAugmenter.load(copy)


def test_missing_and_cut_files_are_refused(copy, tmp_path):
    with pytest.raises(SavedModelError, match="which does not"):
        ConditionalGANAugmenter.load(tmp_path / "nowhere")
    whole = (copy / GENERATOR_FILE).read_bytes()
    (copy / GENERATOR_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SavedModelError, match="do not fit|no file of weights"):
        ConditionalGANAugmenter.load(copy)
    (copy / GENERATOR_FILE).unlink()
    with pytest.raises(SavedModelError, match="do not fit"):
        ConditionalGANAugmenter.load(copy)
    (copy / FACTS_FILE).write_text("{")
    with pytest.raises(SavedModelError, match="cannot be read"):
        ConditionalGANAugmenter.load(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"preset__latent_dim": 10**12},
        {"preset__latent_dim": 10**400},
        {"preset__latent_dim": 0},
        {"preset__latent_dim": "many"},
        {"image_format__image_shape": [10**6, 10**6, 1]},
        {
            "image_format__image_shape": [10**6, 10**6, 1],
            "preset__networks": "tutorial",
        },
        {"image_format__image_shape": [8, 8, 10**12]},
        {"image_format__image_shape": [8, -8, 1]},
        {"image_format__image_shape": [8]},
        {"image_format__image_shape": 8},
        {"attributes": [{"name": "label", "dtype": "int64", "values": 10**12}]},
        {"counts": [10**12]},
        {"counts": [[]]},
        {"preset__networks": "../../elsewhere"},
        {"preset": {}},
    ],
    ids=str,
)
def test_forged_facts_cost_no_time_or_memory(copy, changes):
    for name, value in changes.items():
        rewrite(copy, *name.split("__"), value=value)
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(SavedModelError):
        ConditionalGANAugmenter.load(copy)
    assert time.process_time() - started < 1
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_deep_or_long_facts_are_refused(copy, monkeypatch):
    (copy / FACTS_FILE).write_text("[" * 10**6)
    with pytest.raises(SavedModelError, match="cannot be read"):
        ConditionalGANAugmenter.load(copy)
    monkeypatch.setattr("balancegan.gan.saving.LARGEST_FACTS", 1_000)
    with pytest.raises(SavedModelError, match="1,000,000 bytes, more than"):
        ConditionalGANAugmenter.load(copy)


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", [FACTS_FILE, GENERATOR_FILE])
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_is_noticed(copy, name, data):
    file = copy / name
    position = data.draw(st.integers(0, 8 * file.stat().st_size - 1))
    flip(file, position)
    started = time.process_time()
    with pytest.raises(SavedModelError) as refused:
        ConditionalGANAugmenter.load(copy)
    assert time.process_time() - started < 1
    assert "\n" not in str(refused.value)
    flip(file, position)


def test_files_of_two_models_do_not_make_one(copy, trained, tmp_path):
    other = ConditionalGANAugmenter.load(copy)
    layer = other.model_.generator.weights[0]
    layer.assign(layer + 1)
    other.save(tmp_path / "other")
    for name in (FACTS_FILE, GENERATOR_FILE):
        mixed = shutil.copytree(copy, tmp_path / f"mixed-{name}")
        shutil.copy(tmp_path / "other" / name, mixed / name)
        with pytest.raises(SavedModelError, match="^augmenter.* another model"):
            ConditionalGANAugmenter.load(mixed)
    (copy / FACTS_FILE).rename(copy / "facts")
    (copy / GENERATOR_FILE).rename(copy / FACTS_FILE)
    (copy / "facts").rename(copy / GENERATOR_FILE)
    with pytest.raises(SavedModelError, match="cannot be read"):
        ConditionalGANAugmenter.load(copy)


def link_elsewhere(group, secret):
    group["0"] = h5py.ExternalLink(secret.name, "/secret")


def keep_elsewhere(group, secret):
    raw = secret.with_suffix(".raw")
    raw.write_bytes(bytes(400))
    group.create_dataset("0", (100,), "f4", external=[(raw, 0, 400)])


def look_elsewhere(group, secret):
    layout = h5py.VirtualLayout((100,), "f4")
    layout[:] = h5py.VirtualSource(secret, "secret", (100,))
    group.create_virtual_dataset("0", layout)


def claim_much(group, _):
    group.create_dataset("0", (10**12,), "f4")


def pack_much(group, _):
    group.create_dataset("0", (10**7,), "f4", compression="gzip")


@pytest.mark.parametrize(
    "replace_by",
    [link_elsewhere, keep_elsewhere, look_elsewhere, claim_much, pack_much],
)
def test_external_or_missing_weights_are_refused(copy, tmp_path, replace_by):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["secret"] = np.ones(100, "f4")
    with h5py.File(copy / GENERATOR_FILE, "r+") as file:
        found = []
        file.visititems(
            lambda name, item: found.append(name) if hasattr(item, "shape") else None
        )
        group = file[found[0].rpartition("/")[0]]
        del group["0"]
        replace_by(group, secret)
    rewrite(copy, "n_steps", value=1)  # sealed anew
    started = time.process_time()
    with pytest.raises(SavedModelError, match="is not a weights file: .*0 "):
        ConditionalGANAugmenter.load(copy)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("networks", ["tutorial", "projection"])
@pytest.mark.parametrize(
    "shape",
    [(4, 4, 1), (8, 8, 3), (28, 28, 1), (6, 600, 4), (96, 64, 7), (224, 224, 3)],
)
def test_weights_of_any_size_pass_the_size_check(networks, shape, tmp_path):
    preset = replace(PRESETS["tutorial"], networks=networks, latent_dim=3)
    generator = GENERATORS[networks](shape, (2,), 3, 0)
    generator.save_weights(tmp_path / GENERATOR_FILE)
    saving._check_sizes(tmp_path / GENERATOR_FILE, preset, shape)
    # As many weights are asked for as a few times those that there are
    enough = 40 * generator.count_params() // (4 * 4)
    with pytest.raises(SavedModelError, match="do not fit"):
        saving._check_sizes(
            tmp_path / GENERATOR_FILE, replace(preset, latent_dim=enough), shape
        )


def test_weights_of_the_wrong_size_are_refused_before_the_network_is_built(
    copy, monkeypatch
):
    monkeypatch.setattr("balancegan.gan.saving.GENERATORS", dict.fromkeys(GENERATORS))
    (copy / GENERATOR_FILE).write_bytes(b"short")
    with pytest.raises(SavedModelError, match="5 bytes, which do not fit"):
        ConditionalGANAugmenter.load(copy)
    (copy / GENERATOR_FILE).unlink()
    with pytest.raises(SavedModelError, match=" 0 bytes, which do not fit"):
        ConditionalGANAugmenter.load(copy)
