import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from balancegan import ConditionalGANAugmenter
from balancegan.cli.commands import main
from balancegan.gan.checkpoint import CheckpointFolder

from .commands import invoke, with_config
from .conftest import load_npz, make_images
from .help_texts import COMMANDS, FOLDER, help_text

X, Y = make_images(36), np.repeat([0, 1, 2], [20, 12, 4])
QUICK = ["--steps", "1", "--random-state", "0"]


@pytest.fixture
def data(tmp_path):
    """Keras's layout with a test part, class names and an array of row notes."""
    path = tmp_path / "data.npz"
    np.savez(
        path,
        x_train=X,
        y_train=Y,
        x_test=make_images(5, seed=9),
        y_test=np.arange(5),
        class_names=np.array(["bag", "shirt", "boot"]),
        slides=np.arange(36),
    )
    return path


def run(*arguments):
    result = invoke(*arguments)
    unexpected = result.exception and not isinstance(result.exception, SystemExit)
    assert not unexpected, result.exc_info
    assert "Error: Unexpected" not in result.stderr, result.stderr
    return result


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_balance_does_the_main_job(data, tmp_path):
    out = tmp_path / "balanced.npz"
    before = data.read_bytes()
    result = run("balance", data, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "shirt" in result.stderr
    assert "slides has rows for originals only" in result.stderr
    source, balanced = load_npz(data), load_npz(out)
    assert np.bincount(balanced["y_train"]).tolist() == [20, 20, 20]
    np.testing.assert_array_equal(balanced["x_train"][:36], X)
    assert balanced["x_train"].dtype == np.uint8
    assert balanced["is_synthetic"].sum() == 24
    assert not balanced["is_synthetic"][:36].any()
    for key in ("x_test", "y_test", "class_names", "slides"):
        np.testing.assert_array_equal(balanced[key], source[key])
    assert data.read_bytes() == before


def test_balance_speaks_json(data, tmp_path):
    out = tmp_path / "balanced.npz"
    result = run("balance", data, "--out", out, "--json", "--quiet", *QUICK)
    report = json.loads(result.stdout)
    assert result.stderr == ""
    assert report["classes"][2] == {
        "label": 2,
        "name": "boot",
        "real": 4,
        "synthetic": 16,
    }
    assert report["steps"] == 1
    assert report["seed"] == 0
    assert report["peak_memory_bytes"] > 1e8
    assert report["arrays_not_extended"] == ["slides"]


@pytest.mark.parametrize(
    ("targets", "counts"),
    [
        (["boot=9", "1=13"], [20, 13, 9]),
        (["not-minority"], [20, 20, 4]),
        (["0.5"], [20, 12, 10]),
        (["minority"], [20, 12, 20]),
    ],
)
def test_targets(data, tmp_path, targets, counts):
    out = tmp_path / "balanced.npz"
    options = [word for target in targets for word in ("--target", target)]
    result = run("balance", data, "--out", out, *options, *QUICK)
    assert result.exit_code == 0, result.output
    assert np.bincount(load_npz(out)["y_train"]).tolist() == counts


def test_max_ratio_caps(data, tmp_path):
    out = tmp_path / "balanced.npz"
    run("balance", data, "--out", out, "--max-ratio", "1", *QUICK)
    assert np.bincount(load_npz(out)["y_train"]).tolist() == [20, 20, 8]


def test_nothing_to_make_trains_nothing(data, tmp_path):
    out = tmp_path / "balanced.npz"
    result = run("balance", data, "--out", out, "--target", "boot=4", "--json")
    assert "nothing to add" in result.stderr
    assert "steps" not in json.loads(result.stdout)
    assert load_npz(out)["is_synthetic"].tolist() == [False] * 36


def test_dry_run_says_what_would_happen_and_writes_nothing(data, tmp_path):
    before = sorted(tmp_path.iterdir())
    log_dir = ("--log-dir", tmp_path / "runs")
    trained = ("--steps", "5000", "--gan-share", 1)
    result = run("balance", data, "--dry-run", "--json", *trained, *log_dir)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["steps"] == 5000
    assert report["training_seconds"] > 1
    assert report["judging_seconds"] > 0
    assert report["peak_memory_bytes"] > 1e8
    assert "nothing was written" in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_dry_run_counts_the_training_of_judges(tmp_path, monkeypatch):
    monkeypatch.setattr("balancegan.gan.judge.JUDGE_STEPS", 10**7)
    path = tmp_path / "data.npz"
    np.savez(path, X=make_images(200), y=np.repeat([0, 1], [150, 50]))
    seconds = {}
    for option in ("--reject", "--no-reject"):
        small = ("--batch-size", 8, "--preset", "tutorial")
        result = run("balance", path, "--dry-run", "--json", option, *QUICK, *small)
        seconds[option] = json.loads(result.stdout)["judging_seconds"]
    assert seconds["--reject"] > 1000
    assert seconds["--no-reject"] == 0


def test_train_then_generate_and_balance(data, tmp_path):
    model = tmp_path / "model"
    result = run("train", data, "--model", model, "--json", *QUICK)
    assert json.loads(result.stdout)["steps"] == 1
    loaded = ConditionalGANAugmenter.load(model)

    out = tmp_path / "boots"
    result = run(
        "generate",
        model,
        "--class",
        "2",
        "--n",
        "3",
        "--first",
        "5",
        "--out",
        out,
        "--json",
    )
    files = [Path(file) for file in json.loads(result.stdout)["files"]]
    assert [file.name for file in files] == [
        f"synthetic_boot_{k:06d}.png" for k in (5, 6, 7)
    ]
    expected = loaded.sample(2, 3, first=5)
    for file, image in zip(files, expected, strict=True):
        np.testing.assert_array_equal(pixels(file), image)

    run("generate", model, "--class", "2", "--n", "3", "--out", tmp_path / "b.npz")
    boots = load_npz(tmp_path / "b.npz")
    np.testing.assert_array_equal(boots["X"], loaded.sample(2, 3))
    assert boots["y"].tolist() == [2, 2, 2]
    run("generate", model, "--class", "boot", "--n", "30", "--out", tmp_path / "b.png")
    assert pixels(tmp_path / "b.png").shape == (3 * 34 + 2, 10 * 34 + 2, 3)

    balanced = tmp_path / "balanced.npz"
    as_they_come = ["--no-reject", "--gan-share", 1]
    run("balance", data, "--model", model, "--out", balanced, *as_they_come)
    rows = load_npz(balanced)
    np.testing.assert_array_equal(
        rows["x_train"][rows["is_synthetic"] & (rows["y_train"] == 2)],
        loaded.sample(2, 16),
    )


def test_a_saved_model_is_found_by_name_and_takes_no_training_options(data, tmp_path):
    model, out = tmp_path / "model", tmp_path / "boots.npz"
    run("train", data, "--model", model, "--quiet", *QUICK)
    run("generate", model, "--class", "boot", "--n", "2", "--out", out)
    assert load_npz(out)["y"].tolist() == [2, 2]
    result = run("generate", model, "--class", "sock", "--out", tmp_path / "s.npz")
    assert (result.exit_code, "bag, shirt, boot" in result.stderr) == (2, True)

    result = run("balance", data, "--model", tmp_path / "nowhere", "--dry-run")
    assert (result.exit_code, "A saved model is a folder" in result.stderr) == (2, True)
    result = run("balance", data, "--model", model, "--steps", "9", "--dry-run")
    assert (result.exit_code, "--model: --steps" in result.stderr) == (2, True)
    result = run("balance", data, "--model", model, "--dry-run", "--json", "--quiet")
    assert json.loads(result.stdout)["steps"] == 0


def test_demo(tmp_path):
    out = tmp_path / "demo"
    out.mkdir()
    (out / "digits-balanced.npz").touch()
    before = run("demo", "--out", out, *QUICK)
    assert (before.exit_code, "exists already" in before.stderr) == (2, True)
    result = run("demo", "--out", out, "--overwrite", "--json", *QUICK)
    assert result.exit_code == 0, result.output
    counts = [c["real"] + c["synthetic"] for c in json.loads(result.stdout)["classes"]]
    assert counts == [100] * 10
    assert sorted(path.name for path in out.iterdir()) == [
        "digits-balanced.card.md",
        "digits-balanced.npz",
        "digits-imbalanced.npz",
    ]


def bad_inputs():
    """Yield a name, a function that makes the file, options, and words expected."""
    save = np.savez

    def text(path):
        path.write_text("image,label\n")

    def truncated(path):
        save(path, X=X, y=Y)
        path.write_bytes(path.read_bytes()[:900])

    def mixed(path):
        images = np.empty(36, dtype=object)
        images[:] = [np.zeros((8 + i % 2, 8)) for i in range(36)]
        save(path, X=images, y=Y)

    with_nan = X.astype(float)
    with_nan[3, 2, 2] = np.nan
    with_infinity = np.where(np.isnan(with_nan), np.inf, with_nan)
    texts = Y.astype(object)
    yield "missing file", lambda p: None, [], "no file"
    yield "text file", text, [], "not an .npz"
    yield "truncated", truncated, [], "cut short"
    yield "object labels", lambda p: save(p, X=X, y=texts), [], "Python objects"
    yield "differing shapes", mixed, [], "differing shapes"
    yield "other length", lambda p: save(p, X=X, y=Y[:9]), [], "one label per image"
    yield "NaN", lambda p: save(p, X=with_nan, y=Y), [], "image 3"
    yield "infinity", lambda p: save(p, X=with_infinity, y=Y), [], "image 3"
    yield "one class", lambda p: save(p, X=X, y=0 * Y), [], "more than 1 class"

    def good(path):
        save(path, X=X, y=Y)

    yield "unknown class", good, ["--target", "7=30"], "There is no class '7'"
    yield "target below", good, ["--target", "0=3"], "20 samples and 3"
    yield "bad target", good, ["--target", "most"], "Received: 'most'"
    yield "bad share", good, ["--target", "11"], "(0, 10]"
    yield "bad range", good, ["--value-range", "0", "1"], "value_range"
    yield "no such array", good, ["--images-key", "A"], "'A'"
    yield "flat", lambda p: save(p, X=X.reshape(36, -1), y=Y), [], "image_shape"
    yield "fractions", lambda p: save(p, X=X, y=Y + 0.5), [], "continuous"


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in bad_inputs()],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, make, options, words):
    source, out = tmp_path / "data.npz", tmp_path / "out.npz"
    make(source)
    before = sorted(tmp_path.iterdir())
    result = run("balance", source, "--out", out, "--quiet", *QUICK, *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("missing/out.npz", "no folder"),
        ("/proc/out.npz", "cannot be written"),
        ("existing.npz", "exists already"),
        ("data.npz", "input itself"),
        ("out.txt", "is an .npz, .csv or .parquet file, or a folder"),
    ],
)
def test_bad_outputs_are_refused_before_anything_is_read(data, tmp_path, out, words):
    (tmp_path / "existing.npz").write_text("precious")
    before = data.read_bytes()
    result = run("balance", data, "--out", tmp_path / out, *QUICK)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert words in result.stderr
    assert (tmp_path / "existing.npz").read_text() == "precious"
    assert data.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_existing_output_is_replaced_when_asked(data, tmp_path):
    out = tmp_path / "out.npz"
    out.write_text("old")
    result = run("balance", data, "--out", out, "--overwrite", *QUICK)
    assert result.exit_code == 0
    assert len(load_npz(out)["y_train"]) == 60


def test_other_refusals(data, tmp_path):
    assert run("balance", data).exit_code == 2
    result = run("generate", tmp_path / "none", "--class", "a", "--out", tmp_path / "o")
    assert (result.exit_code, "A saved model is a folder" in result.stderr) == (2, True)
    (tmp_path / "model").mkdir()
    result = run("train", data, "--model", tmp_path / "model", "--overwrite", *QUICK)
    assert (result.exit_code, "Only a saved model" in result.stderr) == (2, True)


def test_a_synthetic_set_is_not_balanced_again(data, tmp_path):
    out = tmp_path / "balanced.npz"
    run("balance", data, "--out", out, *QUICK)
    result = run("balance", out, "--out", tmp_path / "twice.npz", *QUICK)
    assert (result.exit_code, "synthetic images already" in result.stderr) == (2, True)


def test_failure_of_the_work_is_exit_code_1(data, tmp_path, monkeypatch):
    from balancegan.cli import balancing

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(balancing, "write_images", fail)
    result = run("balance", data, "--out", tmp_path / "out.npz", *QUICK)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert re.match(r"Error: \S+out.npz cannot be written: No space left on", last)
    assert "bytes are free in" in last
    assert "A checkpoint of step 1 is kept: the same command with --resume" in last


@pytest.mark.parametrize(
    "error",
    [MemoryError(), ImportError("libx.so: failed to map segment from shared object")],
)
def test_where_memory_runs_out_what_is_left_is_said(data, monkeypatch, error):
    from balancegan.cli import edge

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(edge, "available_bytes", lambda: 1_234)
    monkeypatch.setattr("balancegan.data.reading.read_images", fail)
    result = run("inspect", data)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: Memory ran out, and 1,234 bytes are left to this process. Raise its "
        "limit, or end other programs.\n"
    )


def test_another_import_that_fails_is_a_fault(data, monkeypatch):
    def fail(*arguments, **options):
        raise ImportError("No module named 'x'")

    monkeypatch.setattr("balancegan.data.reading.read_images", fail)
    with pytest.raises(AssertionError, match="No module named"):
        run("inspect", data)


@pytest.mark.filterwarnings("always::balancegan.errors.TrainingWarning")
@pytest.mark.usefixtures("one_step_a_call")
def test_divergence_is_exit_code_1(data, tmp_path):
    result = run(
        "balance",
        data,
        "--out",
        tmp_path / "out.npz",
        "--steps",
        "5",
        "--batch-size",
        "8",
        "--learning-rate",
        "1e20",
    )
    assert result.exit_code == 1, result.output
    *before, last = result.stderr.splitlines()
    assert "diverged" in last
    assert sum(line.startswith("warning: ") for line in before) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == [data.name]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("balance", ["DATA"]), ("train", ["DATA", "--model", "M"]), ("demo", [])],
)
def test_defaults_are_those_of_the_class(command, arguments):
    defaults = ConditionalGANAugmenter().get_params()
    help_names = {"help_option_names": ["-h", "--help"]}  # click caches the first
    parsed = main.commands[command].make_context(command, arguments, **help_names)
    parsed = parsed.params
    assert parsed.get("gan_share") is None  # depends on the files
    shared = parsed.keys() & defaults.keys() - {"gan_share"}
    assert shared >= {"steps", "max_minutes", "random_state"}
    assert {k: parsed[k] for k in shared} == {k: defaults[k] for k in shared}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_texts_are_the_committed_ones(command):
    committed = (FOLDER / f"{command or 'balancegan'}.txt").read_text()
    assert help_text(command) == committed, "make help-texts writes them anew"


@pytest.fixture
def installed():
    command = shutil.which("balancegan", path=Path(sys.executable).parent)
    assert command, "the package is not installed"
    return command


def test_the_installed_command_keeps_its_streams_apart(installed, data, tmp_path):
    out = tmp_path / "out.npz"
    arguments = ["balance", data, "--out", out, "--json", *QUICK]
    done = subprocess.run(
        [installed, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["out"] == str(out)
    # No terminal: plain lines, no bars, and none of TensorFlow's noise
    assert "\x1b" not in done.stderr
    ours = done.stderr.replace("tarting TensorFlow", "").replace("rted TensorFlow", "")
    assert not re.search(r"tensorflow|oneDNN|cuda|absl", ours, re.IGNORECASE)


def interrupt_in_training(installed, *words, by=signal.SIGINT):
    """Run a command, interrupt it in the midst of training, return what it said."""
    words = with_config([*words, "--steps", 100_000, "--preset", "tutorial"])
    process = subprocess.Popen(
        [installed, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A job in the background has it ignored, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    # Once it has said how far training is, it is in the midst of it
    next(line for line in process.stderr if line.startswith("Training: "))
    time.sleep(2)
    process.send_signal(by)
    started = time.monotonic()
    stdout, stderr = process.communicate(timeout=60)
    assert time.monotonic() - started < 30
    assert process.returncode == 128 + by
    assert stdout == ""
    lines = stderr.strip().splitlines()
    return [line for line in lines if line and not line.startswith("training at ")]


def test_sigterm_leaves_checkpoints_and_nothing_unfinished(installed, data, tmp_path):
    before = sorted(tmp_path.iterdir())
    out = tmp_path / "out.npz"
    said = interrupt_in_training(
        installed, "balance", data, "--out", out, by=signal.SIGTERM
    )
    (step,) = CheckpointFolder(tmp_path / "out.npz.checkpoints").steps
    assert said == [
        f"Interrupted. A checkpoint of step {step} is kept: the same command with "
        "--resume continues from there."
    ]
    assert sorted(tmp_path.iterdir()) == sorted(
        [*before, tmp_path / "out.npz.checkpoints"]
    )


def test_interrupting_train_saves_the_best_state_so_far(installed, data, tmp_path):
    model = tmp_path / "early.balancegan"
    said = interrupt_in_training(installed, "train", data, "--model", model)
    assert f"Interrupted. {model} holds the best state so far." in said[-1]
    assert "--resume" in said[-1]
    assert ConditionalGANAugmenter.load(model).model_.n_steps >= 10
