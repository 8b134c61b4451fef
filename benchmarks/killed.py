"""Kill commands at random moments and resume them with --resume.

    python benchmarks/killed.py killed --times 50

`train` and `balance` run once uninterrupted and are then killed (SIGKILL) --times
times. A run is killed at a random moment within the time of the uninterrupted one,
resumed, killed again, up to five times, and then completed. After each kill every
output must be complete or absent; the result must be bit-identical to the uninterrupted
one, and nothing unfinished may be left. Checkpoints are written every half second, not
every minute, so that one exists. Writes results/killed.json.
"""

import argparse
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from balancegan.data.demo import save_demo_digits

RESULTS = Path(__file__).parent / "results"
RUN = (
    "from balancegan.gan import callbacks; callbacks.CHECKPOINT_SECONDS = 0.5; "
    "from balancegan.cli.commands import main; main()"
)
STEPS = 300
OUTPUTS = {"train": ("--model", "model.balancegan"), "balance": ("--out", "out.npz")}
UNFINISHED = re.compile(r"\.(partial|aside|checkpoints)$")
UNLIKE = ("seconds", "checksum")  # of a saved model: the clock's, and the hash over it
KILLS = 5  # of one run, at most


def start(command, data, folder, *more):
    option, name = OUTPUTS[command]
    words = [command, data, option, folder / name, *more]
    words += ["--steps", STEPS, "--random-state", 0]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def digest(command, folder):
    """Return a hash of an output, None where there is none; fails where it is half."""
    path = folder / OUTPUTS[command][1]
    if not path.exists():
        return None
    found = hashlib.sha256()
    if command == "balance":
        with np.load(path, allow_pickle=False) as file:
            for name in sorted(file.files):
                found.update(name.encode() + file[name].tobytes())
    else:
        from balancegan import ConditionalGANAugmenter

        model = ConditionalGANAugmenter.load(path).model_
        for weights in model.generator.get_weights():
            found.update(weights.tobytes())
        facts = json.loads((path / "augmenter.json").read_text())
        alike = {name: facts[name] for name in facts if name not in UNLIKE}
        found.update(json.dumps(alike).encode())
    return found.hexdigest()


def finish(process):
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {said}")
    return said


def killed_at(moment, process):
    """Kill a command at a moment, in seconds; return whether it was still running."""
    try:
        _, said = process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {said}")
    return False


def run_through(command, data, folder, seconds, expected, rng, times):
    """Run a command to its end, killed at most `times` times."""
    folder.mkdir()
    kills, resume = [], []
    while len(kills) < times:
        moment = rng.uniform(0, seconds)
        if not killed_at(moment, start(command, data, folder, *resume)):
            break
        left = digest(command, folder)
        checkpoints = folder / f"{OUTPUTS[command][1]}.checkpoints"
        kills.append(
            {
                "seconds": round(moment, 1),
                "at_step": newest_step(checkpoints),
                "output": "absent" if left is None else "whole",
                "whole": left in (None, expected),
            }
        )
        if left is not None and not checkpoints.exists():
            break  # killed after its last act
        resume = ["--resume"]
    else:
        finish(start(command, data, folder, *resume))
    run = {
        "kills": kills,
        "equal": digest(command, folder) == expected,
        "nothing_left": not [e for e in folder.iterdir() if UNFINISHED.search(e.name)],
    }
    shutil.rmtree(folder)
    return run


def newest_step(checkpoints):
    """Return the newest saved step, None before the first."""
    names = [entry.stem for entry in checkpoints.glob("step-*.npz")]
    return max((int(name.removeprefix("step-")) for name in names), default=None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="made, and removed afterwards")
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args()
    options.folder.mkdir()
    data = options.folder / "digits.npz"
    save_demo_digits(data)
    rng = random.Random(0)
    result = {"command": f"python benchmarks/killed.py killed --times {options.times}"}
    for command in OUTPUTS:
        folder = options.folder / "whole"
        folder.mkdir()
        started = time.monotonic()
        finish(start(command, data, folder))
        seconds = time.monotonic() - started
        expected = digest(command, folder)
        shutil.rmtree(folder)
        runs, kills = [], []
        while len(kills) < options.times:
            most = min(KILLS, options.times - len(kills))
            runs.append(
                run_through(
                    command, data, options.folder / "run", seconds, expected, rng, most
                )
            )
            kills += runs[-1]["kills"]
            print(command, json.dumps(runs[-1]), flush=True)
        result[command] = {
            "seconds": round(seconds, 1),
            "kills": len(kills),
            "kills_that_left_the_output_whole_or_absent": sum(
                kill["whole"] for kill in kills
            ),
            "kills_with_something_to_go_on_with": sum(
                kill["at_step"] is not None for kill in kills
            ),
            "runs": len(runs),
            "runs_that_ended_equal": sum(run["equal"] for run in runs),
            "runs_that_left_nothing_unfinished": sum(
                run["nothing_left"] for run in runs
            ),
            "each": runs,
        }
        write(result)
    shutil.rmtree(options.folder)


def write(result):
    text = json.dumps(result, indent=1)
    (RESULTS / "killed.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
