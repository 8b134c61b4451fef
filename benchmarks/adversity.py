"""Run commands without room, with bad data, and with a wild learning rate.

    sudo python benchmarks/adversity.py adversity

Small disks and a read-only one are mounted for real (tmpfs, so it needs root on
Linux); memory is limited as by `ulimit -v`. Of each command: exit code, the last line
that it says, seconds, and what it leaves behind. Then whether images are the same bit
for bit: made in another process, in batches of other sizes, compared by one job or
two. Writes results/adversity.json.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from balancegan.data.demo import save_demo_digits

RESULTS = Path(__file__).parent / "results"
ROOM = Path()  # the folder that all of it happens in
QUICK = ("--steps", 20, "--random-state", 0)
OFTEN = (
    "from balancegan.gan import callbacks; callbacks.CHECKPOINT_SECONDS = 0.0; "
    "from balancegan.cli.commands import main; main()"
)
SAMPLED = """
import hashlib, sys
import numpy as np
from balancegan import ConditionalGANAugmenter
with np.load(sys.argv[1]) as file:
    X, y = file["x_train"], file["y_train"]
augmenter = ConditionalGANAugmenter(steps=20, random_state=0, verbose=0).fit(X, y)
whole = augmenter.sample(9, 200)
sizes = (0, 1), (1, 63), (64, 6), (70, 130)
parts = [augmenter.sample(9, n, first=k) for k, n in sizes]
print(hashlib.sha256(whole.tobytes()).hexdigest())
print(hashlib.sha256(np.concatenate(parts).tobytes()).hexdigest())
"""


def start(*words, memory=None, often=False):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    command = ["-c", OFTEN] if often else ["-m", "balancegan"]
    return subprocess.Popen(
        [sys.executable, *command, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit if memory else None,
    )


def finish(process, folder=None):
    """Wait for a command; return what it ended with, no path of this machine in it."""
    started = time.monotonic()
    _, said = process.communicate()
    said = said.replace(f"{ROOM}/", "").replace(f"{tempfile.gettempdir()}/", "TMP/")
    lines = said.strip().splitlines()
    found = {
        "exit_code": process.returncode,
        "says": lines[-1] if lines else "",
        "warns": [line for line in lines[:-1] if line.startswith("warning")],
        "seconds": round(time.monotonic() - started, 1),
        "traceback": "Traceback" in said,
    }
    if folder is not None:
        found["left"] = sorted(entry.name for entry in folder.iterdir())
    return found


@contextmanager
def disk(folder, size):
    """Mount a disk of `size` bytes."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def fill(folder):
    """Leave no byte on a disk; return the file to remove for some."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**20, 2**10, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                pass
    return filler


def remove(out):
    for path in (out, out.with_suffix(".card.md")):
        path.unlink(missing_ok=True)


def full_disks(data, folder):
    small = folder / "disk"
    with disk(small, 20_000) as full:
        out = full / "out.npz"
        yield (
            "too small for the output",
            finish(start("balance", data, "--out", out, *QUICK), full),
        )
    with disk(small, 1_000_000) as full:
        out = full / "out.npz"
        yield (
            "too small for checkpoints",
            finish(start("balance", data, "--out", out, *QUICK, often=True), full),
        )
        yield (
            "too small for the model",
            finish(start("train", data, "--model", full / "model", *QUICK), full),
        )
    with disk(small, 400_000_000) as full:
        out = full / "out.npz"
        process = start("balance", data, "--out", out, *QUICK, often=True)
        checkpoints = full / "out.npz.checkpoints"
        while process.poll() is None and not list(checkpoints.glob("step-20.npz")):
            time.sleep(0.01)
        filler = fill(full)
        yield "filled by another while training", finish(process, full)
        filler.unlink()
        yield (
            "the same, resumed when there is room",
            finish(start("balance", data, "--out", out, *QUICK, "--resume"), full),
        )
    with disk(small, 1_000_000) as full:
        remount = ["mount", "-o", "remount,ro", str(full)]
        subprocess.run(remount, check=True)
        for words in (("balance", data, "--out"), ("train", data, "--model")):
            yield (
                f"read-only: {words[0]}",
                finish(start(*words, full / "out", *QUICK), full),
            )


def little_memory(data, folder):
    large = folder / "large.npz"
    rows = np.arange(60_000)
    np.savez(large, X=np.zeros((60_000, 64, 64), np.float32), y=rows % 10 == 0)
    for path, megabytes in ((data, 500), (data, 1_000), (data, 3_000), (large, 3_500)):
        out = folder / "out.npz"
        found = finish(
            start("balance", path, "--out", out, *QUICK, memory=megabytes * 10**6)
        )
        found["left"] = out.exists()
        yield f"{path.name} in {megabytes} MB of addresses", found
        remove(out)
    large.unlink()


def odd_data(data, folder):
    with np.load(data) as file:
        arrays = dict(file)
    X, y = arrays["x_train"], arrays["y_train"]
    black, alike, holed = X.copy(), X.copy(), X.astype(np.float32) / 255
    black[y == 9] = 0
    alike[y == 9] = X[y == 9][0]
    holed[5, 3, 3] = np.nan
    config = folder / "rate.toml"
    config.write_text("learning-rate = 10\n")
    made = {
        "a learning rate of 10": (X, ["--config", config]),
        "a class all black": (black, []),
        "a class of one image many times": (alike, []),
        "floats with one NaN": (holed, []),
    }
    for name, (images, more) in made.items():
        path, out = folder / "odd.npz", folder / "out.npz"
        np.savez(path, x_train=images, y_train=y)
        words = ["balance", path, "--out", out, *more]
        words += ["--steps", 200, "--random-state", 0]
        yield name, {**finish(start(*words)), "left": out.exists()}
        remove(out)


def same_images(data):
    """Return hashes of images, and of a comparison by one job and by two."""
    hashes = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", SAMPLED, str(data)],
            capture_output=True,
            text=True,
            check=True,
        )
        hashes += done.stdout.split()
    results = []
    for jobs in (1, 2):
        config = ROOM / "jobs.toml"
        config.write_text(f"steps = 20\nclassifier-steps = 30\njobs = {jobs}\n")
        words = ["--seeds", 2, "--json", "--config", config]
        methods = ["--methods", "none,cgan"]
        done = subprocess.run(
            [sys.executable, "-m", "balancegan", "evaluate", str(data)]
            + [str(word) for word in (*words, *methods)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout)
        results.append(hashlib.sha256(json.dumps(figures(found)).encode()).hexdigest())
    return {
        "images": hashes,
        "images_are_the_same": len(set(hashes)) == 1,
        "comparisons": results,
        "comparisons_are_the_same": len(set(results)) == 1,
    }


def figures(found):
    """Return what was found without what the clock says, and how it was run."""
    if isinstance(found, dict):
        return {
            name: figures(value)
            for name, value in found.items()
            if "seconds" not in name and name not in ("n_jobs", "created", "memory")
        }
    if isinstance(found, list):
        return [figures(value) for value in found]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="made, and removed afterwards")
    global ROOM
    folder = ROOM = parser.parse_args().folder.resolve()
    folder.mkdir()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    data = folder / "digits.npz"
    save_demo_digits(data)
    result = {"command": "sudo python benchmarks/adversity.py adversity"}
    for part in (full_disks, little_memory, odd_data):
        result[part.__name__] = {}
        for name, found in part(data, folder):
            print(name, json.dumps(found), flush=True)
            result[part.__name__][name] = found
    result["same_images"] = same_images(data)
    print(json.dumps(result["same_images"]))
    shutil.rmtree(folder)
    (RESULTS / "adversity.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
