"""Ten thousand malformed inputs, each read as a user's would be.

    python -m fuzz.malformed --n 10000

Every input must be read, or refused with one of balancegan's own errors: no other
exception, not more than ten seconds, not more than 2 GB of memory beyond what the
process had, no file opened outside the input, none written outside the output. What is
read is written again as another kind; of a model that loads an image is made. Every
hundredth input goes through the command line as well. Writes
benchmarks/results/malformed.json; says which faults were found, and by which number a
case is made again (--only NUMBER).
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import joblib
import numpy as np
from click.testing import CliRunner

from balancegan import (
    ConditionalGANAugmenter,
    DataError,
    SavedModelError,
    TrainingOptions,
)
from balancegan.cli.commands import main as cli
from balancegan.data.lineage import read_lineage
from balancegan.data.reading import read_images
from balancegan.data.writing import write_images
from balancegan.gan import callbacks
from balancegan.gan.checkpoint import CheckpointFolder
from balancegan.images import find_format
from fuzz.corpus import Case, Corpus

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
MOST_SECONDS = 10
MOST_BYTES = 2_000_000_000
COMMAND_EVERY = 100
OTHERS = ("lineage", "model", "checkpoint")  # not labelled images
REFUSED = (DataError, SavedModelError)
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec")
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.link")


class TooLong(BaseException):
    """A case has used up its time."""


class Guard:
    """Takes note of files that are opened or changed where they should not be.

    Parameters
    ----------
    room : Path
        The folder with input and output, to which all must keep.
    """

    def __init__(self, room: Path) -> None:
        self.room = str(room)
        self.found: list[str] = []
        self.active = False
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        """Look at what Python is about to do."""
        if not self.active or not arguments:
            return
        if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            path, flags = os.fsdecode(arguments[0]), arguments[2] or 0
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not self._may_open(path, bool(writes)):
                self.found.append(f"{'writes' if writes else 'reads'} {path}")
        elif event in PROGRAMS or (
            event in CHANGES and not self._is_inside(os.fsdecode(arguments[0]))
        ):
            self.found.append(f"{event} {arguments[0]}")

    def _may_open(self, path: str, writes: bool) -> bool:
        own = (sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev/null", "/usr", CODE)
        return self._is_inside(path) or (not writes and path.startswith(own))

    def _is_inside(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self.room)


CODE = str(Path(__file__).parents[1])


def make_corpus(folder: Path) -> Corpus:
    """Train a small model, and keep a checkpoint of it."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (24, 8, 8), dtype=np.uint8), np.repeat([0, 1, 2], 8)
    augmenter = ConditionalGANAugmenter(
        preset=TrainingOptions(preset="tutorial", batch_size=4),
        steps=2,
        gan_share=1,
        random_state=0,
        verbose=0,
    )
    callbacks.CHECKPOINT_SECONDS = 0.0
    augmenter.fit(X, y, checkpoint_dir=folder / "checkpoints")
    augmenter.save(folder / "model")
    (step, *_) = CheckpointFolder(folder / "checkpoints").steps
    return Corpus(folder / "model", folder / "checkpoints" / f"step-{step}.npz")


def write_case(case: Case, folder: Path) -> Path:
    """Write a case; return what a user would name."""
    folder.mkdir()
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / case.entry


def use(case: Case, path: Path, out: Path, number: int) -> None:
    """Do with an input what users do."""
    if case.kind == "lineage":
        read_lineage(path)
    elif case.kind == "model":
        loaded = ConditionalGANAugmenter.load(path)
        loaded.sample(loaded.classes_[0], 1)
    elif case.kind == "checkpoint":
        CheckpointFolder(path).latest()
    else:
        labelled = read_images(path, on_error="skip" if number % 4 else "fail")
        find_format(labelled.images)
        kind = ("npz", "folder", "csv")[number // 7 % 3]
        name = f"out.{kind}" if kind in ("npz", "csv") else "out"
        write_images(out / name, labelled)


def use_command(path: Path, out: Path) -> str | None:
    """Inspect or convert an input by the command; return what is wrong with that."""
    options = ["--on-error", "skip"]
    for words in (
        ["inspect", str(path), *options],
        ["convert", str(path), str(out / "converted.npz"), *options],
    ):
        done = CliRunner().invoke(cli, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            return f"{words[0]}: {done.exception!r}"
        if done.exit_code not in (0, 2) or "Traceback" in done.output:
            return f"{words[0]}: exit code {done.exit_code}: {done.output[-200:]}"
    return None


def peak_bytes() -> int:
    """Return the largest resident memory since it was last forgotten."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 0


def forget_peak() -> int:
    """Forget the largest resident memory; return that of now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def try_case(corpus: Corpus, number: int, room: Path, guard: Guard) -> dict:
    """Read one malformed input; return what happened."""
    case = corpus.case(number)
    path = write_case(case, room / "input")
    (room / "output").mkdir()
    outcome, fault = "used", None
    before = forget_peak()
    started = time.monotonic()
    signal.alarm(MOST_SECONDS)
    guard.found, guard.active = [], True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if number % COMMAND_EVERY == 0 and case.kind not in OTHERS:
                fault = use_command(path, room / "output")
            use(case, path, room / "output", number)
    except REFUSED as error:
        outcome = "refused"
        if "\n" in str(error):
            fault = f"several lines: {error}"
    except TooLong:
        fault = "takes too long"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{error!r:.200} in {last.filename}:{last.lineno}"
    finally:
        guard.active = False
        signal.alarm(0)
    seconds, taken = time.monotonic() - started, peak_bytes() - before
    if taken > MOST_BYTES:
        fault = f"takes {taken:,} bytes"
    if guard.found:
        fault = "; ".join(guard.found[:3])
    left = {entry.name for entry in room.iterdir()} - {"input", "output"}
    if left:
        fault = f"leaves {sorted(left)}"
    for entry in ("input", "output"):
        shutil.rmtree(room / entry)
    return {
        "number": number,
        "kind": case.kind,
        "how": case.how,
        "outcome": "fault" if fault else outcome,
        "fault": fault,
        "seconds": seconds,
        "bytes": taken,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int, help="show one case, and keep no result")
    options = parser.parse_args()

    def give_up(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, give_up)
    numbers = range(options.first, options.first + options.n)
    if options.only is not None:
        numbers = range(options.only, options.only + 1)
    joblib.cpu_count(only_physical_cores=True)  # asks lscpu once; scikit-learn would
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as used:
        room = Path(used).resolve()
        os.chdir(room)  # names that are relative are of files below
        tempfile.tempdir = str(room)  # what is written for a while is written there
        corpus = make_corpus(Path(made))
        guard = Guard(room)
        rows = []
        for number in numbers:
            rows.append(try_case(corpus, number, room, guard))
            if rows[-1]["fault"] or options.only is not None:
                print(json.dumps(rows[-1]), flush=True)
            if number % 500 == 499:
                print(f"{number + 1} done", file=sys.stderr, flush=True)
    if options.only is None:
        write(options.n, rows)
    sys.exit(any(row["fault"] for row in rows))


def write(n: int, rows: list[dict]) -> None:
    """Write what happened, by kind."""
    kinds = {}
    for kind in sorted({row["kind"] for row in rows}):
        own = [row for row in rows if row["kind"] == kind]
        kinds[kind] = {
            **Counter(row["outcome"] for row in own),
            "longest_seconds": round(max(row["seconds"] for row in own), 2),
            "most_bytes": max(row["bytes"] for row in own),
        }
    result = {
        "command": f"python -m fuzz.malformed --n {n}",
        "inputs": len(rows),
        "kinds": kinds,
        "faults": [row for row in rows if row["fault"]],
    }
    (RESULTS / "malformed.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
