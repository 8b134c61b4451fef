"""Commands killed at random moments and given again with --resume.

    python benchmarks/killed.py killed --times 50

For `train` and for `balance`: once uninterrupted, then so many times killed (SIGKILL)
at a random moment of as long a time, and resumed. After each kill what is there must be
whole or absent; what the resumed run ends with must equal the uninterrupted one bit for
bit, and nothing unfinished may be left. Checkpoints are written every half second, not
every minute, so that there is something to go on with. Writes results/killed.json.
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
from collections import Counter
from pathlib import Path

import numpy as np

from balancegan.data.demo import save_demo_digits

RESULTS = Path(__file__).parent / "results"
RUN = (
    "from balancegan.gan import monitor; monitor.CHECKPOINT_SECONDS = 0.5; "
    "from balancegan.cli.commands import main; main()"
)
STEPS = 300
OUTPUTS = {"train": ("--model", "model.balancegan"), "balance": ("--out", "out.npz")}
UNFINISHED = re.compile(r"\.(partial|aside|checkpoints)$")
UNLIKE = ("seconds",)  # facts of a saved model that no two runs have in common


def start(command, data, folder, *more):
    option, name = OUTPUTS[command]
    words = [command, data, option, folder / name, "--steps", STEPS, "--seed", 0, *more]
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


def kill_once(command, data, folder, seconds, expected, rng):
    folder.mkdir()
    moment = rng.uniform(0, seconds)
    process = start(command, data, folder)
    try:
        _, said = process.communicate(timeout=moment)
        if process.returncode:
            raise SystemExit(f"exit code {process.returncode}: {said}")
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    left = digest(command, folder)
    checkpoints = folder / f"{OUTPUTS[command][1]}.checkpoints"
    if left is not None and not checkpoints.exists():
        resumed = "was done"
    else:
        said = finish(start(command, data, folder, "--resume"))
        resumed = next(line for line in said.splitlines() if "go" in line)
    row = {
        "moment": round(moment, 1),
        "output_when_killed": left is not None,
        "resumed": resumed,
        "whole": left in (None, expected),
        "equal": digest(command, folder) == expected,
        "nothing_left": not [e for e in folder.iterdir() if UNFINISHED.search(e.name)],
    }
    shutil.rmtree(folder)
    return row


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
        rows = []
        for _ in range(options.times):
            rows.append(
                kill_once(command, data, options.folder / "run", seconds, expected, rng)
            )
            print(command, json.dumps(rows[-1]), flush=True)
        checks = ("whole", "equal", "nothing_left")
        result[command] = {
            "seconds": round(seconds, 1),
            "times": len(rows),
            **{name: sum(row[name] for row in rows) for name in checks},
            "resumed": dict(Counter(row["resumed"].split(" step")[0] for row in rows)),
            "runs": rows,
        }
        write(result)
    shutil.rmtree(options.folder)


def write(result):
    text = json.dumps(result, indent=1)
    (RESULTS / "killed.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
