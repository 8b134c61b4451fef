"""Making many images by shards: whether they are the same, and what it costs.

    python benchmarks/shards.py --model MODEL --class CLASS --n 64000

Makes images of one class of a saved model as one tar of WebDataset, in 4 and in 16
shards, one process after the other; of the 16, four are killed after a few seconds and
run again. Compares all members by name and content. Writes results/shards.json.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "shards.json"
KILLED = (2, 5, 11, 16)  # of the 16
KILLED_AFTER = 5.0  # seconds: TensorFlow starts, or images are being made


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--class", dest="class_name", required=True)
    parser.add_argument("--n", type=int, default=64_000)
    options = parser.parse_args()
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for n_shards in (1, 4, 16):
            started = time.monotonic()
            parts = [Path(folder) / f"{n_shards}-{i + 1}.tar" for i in range(n_shards)]
            killed = []
            for i, part in enumerate(parts, 1):
                kill = n_shards == 16 and i in KILLED
                make(options, part, i, n_shards, kill=kill)
                if not part.exists():  # one that was killed at the very end is whole
                    killed.append(i)
            left = sorted(p.name for p in Path(folder).iterdir() if p not in parts)
            again_from = time.monotonic()
            for i in killed:
                make(options, parts[i - 1], i, n_shards)
            ended = time.monotonic()
            seconds = ended - started
            found[n_shards] = members(parts)
            rows.append(
                {
                    "shards": n_shards,
                    "images": len(found[n_shards]) // 3,
                    "seconds": round(seconds, 1),
                    "images_a_second": round(options.n / seconds),
                    "killed": killed,
                    "seconds_of_those_again": round(ended - again_from, 1),
                    "same_as_unsharded": found[n_shards] == found[1],
                    "unfinished_left": sum(name.startswith(".") for name in left),
                    "bytes": sum(part.stat().st_size for part in parts),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    command = "python benchmarks/shards.py --model MODEL --class CLASS"
    result = {"command": f"{command} --n {options.n}", "runs": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def make(options, out, i, n, *, kill=False):
    """Run the command for one shard; return its exit code."""
    command = [sys.executable, "-m", "balancegan", "generate", options.model]
    command += ["--class", options.class_name, "--n", options.n, "--quiet"]
    command += ["--shard", f"{i}/{n}", "--out", out]
    process = subprocess.Popen(list(map(str, command)))
    if kill:
        try:
            process.wait(KILLED_AFTER)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
    code = process.wait()
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"shard {i} of {n} ended with {code}")
    return code


def members(parts):
    """Return the content of each member, as a digest, by its name."""
    found = {}
    for part in parts:
        with tarfile.open(part) as tar:
            for member in tar:
                content = tar.extractfile(member).read()
                if member.name in found:
                    raise SystemExit(f"{member.name} is there twice")
                found[member.name] = hashlib.sha256(content).hexdigest()
    return found


if __name__ == "__main__":
    main()
