"""What the command line decides before anything is trained: sizes, and what is made."""

import json

import numpy as np
import pytest
from PIL import Image

from balancegan.cli import tasks
from balancegan.gan.training import TrainingRun

from .commands import invoke

COUNTS = {"many": 12, "few": 9}


@pytest.fixture
def untrained(monkeypatch):
    """Let every training fail."""
    monkeypatch.setattr(TrainingRun, "__init__", lambda *_, **__: pytest.fail("built"))


@pytest.fixture
def make_photos(tmp_path):
    """Write a folder of two classes of files of a size; 12 and 9 of them."""

    def make(side):
        rng = np.random.default_rng(side)
        for name, n in COUNTS.items():
            folder = tmp_path / f"photos{side}" / name
            folder.mkdir(parents=True)
            for k in range(n):
                pixels = rng.integers(0, 256, (side, side + k % 2, 3), dtype="uint8")
                Image.fromarray(pixels).save(folder / f"{k}.png")
        return folder.parent

    return make


def run(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


def dry_run(*arguments):
    result = run("balance", *arguments, "--dry-run", "--json")
    return json.loads(result.stdout), " ".join(result.stderr.split())


@pytest.fixture
def unmeasured(monkeypatch):
    """Say what is asked of an estimate, and measure nothing."""
    from balancegan.cli import estimate

    nothing = estimate.Estimate(0, 0.0, 0.0, 0.0, None, needs_gan=True)
    monkeypatch.setattr(estimate, "estimate_cost", lambda *_, **__: nothing)


def test_no_images_are_generated_next_to_much_larger_files(
    make_photos, tmp_path, untrained
):
    photos, out = make_photos(130), tmp_path / "out"
    result = run("balance", photos, "--out", out, "--random-state", "0", "--json")
    said, facts = " ".join(result.stderr.split()), json.loads(result.stdout)
    assert "no images are generated: at 64x64 they would be blurred" in said
    assert "next to files of 130 to 131 px" in said
    assert "--gan-share 0.1 generates them anyway (training: about" in said
    assert "--size 128 makes them sharper" in said
    assert said.count("generated:") == 1
    assert "no GAN is trained" not in said  # it has been said
    assert facts["steps"] == 0
    assert sum("no images are generated" in note for note in facts["notes"]) == 1
    assert (facts["quality"][0]["gan"], facts["quality"][0]["copied"]) == (0, 3)
    assert len(list(out.rglob("*.png"))) == 24


@pytest.mark.parametrize(
    ("side", "options", "generates"),
    [
        (130, (), False),
        (120, (), True),  # less than twice as large as 64
        (130, ("--size", "96"), True),
        (130, ("--gan-share", "0.1"), True),
        (
            130,
            (
                "--gan-share",
                1,
            ),
            True,
        ),
        (130, ("--target", "many=12"), False),  # nothing is missing
    ],
)
def test_when_images_are_generated(make_photos, unmeasured, side, options, generates):
    facts, said = dry_run(make_photos(side), *options)
    assert facts["needs_gan"] is generates
    is_large = side == 130 and "--size" not in options
    asked = is_large and generates
    assert ("will be blurred next to files of 130 to 131 px" in said) is asked
    assert ("no images are generated" in said) is (is_large and not options)


def test_arrays_of_files_have_one_size_and_images_are_generated(
    make_photos, unmeasured, tmp_path
):
    facts, said = dry_run(make_photos(130), "--out", tmp_path / "out.npz")
    assert facts["needs_gan"]
    assert "blurred" not in said


def test_a_dry_run_of_copies_measures_nothing(make_photos, untrained):
    facts, said = dry_run(make_photos(20), "--gan-share", "0")
    assert not facts["needs_gan"]
    assert "no GAN would be trained: the 3 added images would be copies" in said


SETTINGS = {"max_minutes": None, "gan_share": 0.1}


def test_files_are_as_large_as_the_machine_can_train(monkeypatch):
    def side(**settings):
        return tasks.choose_largest_side(SETTINGS | settings, quiet=True)

    monkeypatch.setattr(tasks, "may_have_gpu", lambda: False)
    monkeypatch.setattr(tasks, "cpu_count", lambda: 2)
    assert side() == 64
    assert (side(max_minutes=5), side(max_minutes=15)) == (32, 64)
    monkeypatch.setattr(tasks, "cpu_count", lambda: 16)
    assert side(max_minutes=5) == 64
    monkeypatch.setattr(tasks, "may_have_gpu", lambda: True)
    monkeypatch.setattr(tasks, "has_gpu", lambda: True)
    monkeypatch.setattr(tasks, "load_tensorflow", lambda **_: None)
    assert side(max_minutes=1) == 128
    monkeypatch.setattr(tasks, "load_tensorflow", lambda **_: pytest.fail("loaded"))
    assert side(gan_share=0.0) == 64  # nothing is trained, so nobody needs to know


def test_what_training_takes_grows_with_pixels(monkeypatch):
    monkeypatch.setattr(tasks, "cpu_count", lambda: 2)
    # benchmarks/results: 0.19, 0.6 and 2.1 s at 32, 64 and 128 pixels
    for side, measured in ((32, 0.19), (64, 0.6), (128, 2.1)):
        assert measured / 2 < tasks.step_seconds(side) < 2 * measured
