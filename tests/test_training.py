from dataclasses import replace

import numpy as np
import pytest

from balancegan import ConditionalGANAugmenter, memory
from balancegan.gan.conditional_gan import build_gan
from balancegan.gan.judge import Judge
from balancegan.gan.presets import PRESETS
from balancegan.gan.training import FIXED_BYTES, training_bytes

from .conftest import make_images
from .test_cli import QUICK, run


def footprint(shape=(16, 16, 1), batch_size=32, preset="default", features=None):
    recipe = replace(PRESETS[preset], batch_size=batch_size)
    gan = build_gan(shape, np.array([5, 3]), recipe, 0, features=features)
    return training_bytes(gan) - FIXED_BYTES


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_training_memory_grows_with_the_batch_and_the_image(preset):
    once = footprint(preset=preset)
    assert once > 0
    assert footprint(preset=preset, batch_size=64) == pytest.approx(2 * once)
    assert 3 < footprint((32, 32, 1), preset=preset) / once < 5


def test_nested_networks_count():
    judge = Judge((16, 16, 1), (2,), lambda images: images, 0)
    assert footprint(features=judge.feature_network) > footprint()


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(memory, "_system_available", lambda: 100_000_000)


@pytest.mark.usefixtures("little_memory")
def test_training_without_enough_memory_is_refused(small_set):
    augmenter = ConditionalGANAugmenter(steps=1, verbose=0)
    with pytest.raises(MemoryError, match="Training needs about .* 100,000,000 are"):
        augmenter.fit(*small_set)
    assert not hasattr(augmenter, "model_")


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("words", [["train", "--model"], ["balance", "--out"]])
def test_too_little_memory_is_one_line_at_the_command_line(tmp_path, words):
    data = tmp_path / "data.npz"
    np.savez(data, X=make_images(36), y=np.repeat([0, 1], [24, 12]))
    command, option = words
    done = run(command, data, option, tmp_path / "out.npz", "--quiet", *QUICK)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Training needs about ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [data]
