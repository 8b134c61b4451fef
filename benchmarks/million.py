"""Compare training steps on a million images on disk with a few thousand.

    python benchmarks/million.py fashion_mnist.npz folder-for-the-sets

Writes 1,000,000 images of 28x28 to a mapped file (784 MB; real ones of Fashion-MNIST
with 4,000 of the first class down to 40 of the last, moved at random), the same as PNG
images to 16 TFRecord shards, and the 9,000 that they are made from to an .npz file.
Trains on each by turns, twice, with the command line, 190 steps each, before the first
look at the images. Writes results/million.json: seconds a step (from step 50 on),
seconds besides, and the largest resident memory of each process.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
from make_lt import draw_rows

from balancegan.pictures import encode_png

RESULT = Path(__file__).parent / "results" / "million.json"
N = 1_000_000
N_SHARDS = 16
SMALL = "9,000 in memory"
STEPS, FROM_STEP = 190, 50
MOST_MOVED = 2  # pixels
PART = 10_000


def write_sets(source, folder):
    """Write all sets; return where they are."""
    with np.load(source, allow_pickle=False) as file:
        rows = draw_rows(file["y_train"], 0)
        x, y = file["x_train"][rows], file["y_train"][rows]
    small, large = folder / "small.npz", folder / "large"
    np.savez(small, x_train=x, y_train=y)
    large.mkdir()
    rng = np.random.default_rng(0)
    images = np.lib.format.open_memmap(
        large / "x_train.npy", "w+", np.uint8, (N, *x.shape[1:])
    )
    taken = np.resize(np.arange(len(x)), N)
    for start in range(0, N, PART):
        part = x[taken[start : start + PART]]
        moved = rng.integers(-MOST_MOVED, MOST_MOVED + 1, (len(part), 2))
        for dy, dx in np.unique(moved, axis=0):
            alike = (moved == (dy, dx)).all(axis=1)
            part[alike] = np.roll(part[alike], (dy, dx), axis=(1, 2))
        images[start : start + PART] = part
    images.flush()
    np.save(large / "y_train.npy", y[taken])
    shards = folder / "shards"
    shards.mkdir()
    joblib.Parallel(n_jobs=2)(
        joblib.delayed(write_shard)(shards, i, images, y[taken])
        for i in range(N_SHARDS)
    )
    return {SMALL: small, "1,000,000 mapped": large, "1,000,000 in shards": shards}


def write_shard(folder, number, images, labels):
    """Write every 16th image to a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = range(number, len(images), N_SHARDS)
    table = {
        "image": [encode_png(images[row][..., None]) for row in rows],
        "label": [int(labels[row]) for row in rows],
    }
    name = f"train-{number:05d}-of-{N_SHARDS:05d}.parquet"
    pq.write_table(pa.table(table), folder / name)


def train(data, folder, steps=STEPS, from_step=FROM_STEP):
    """Train on a set; return what it took."""
    logs, model = folder / "logs", folder / "model"
    command = [sys.executable, "-m", "balancegan", "train", data, "--model", model]
    command += ["--steps", steps, "--random-state", 0, "--log-dir", logs, "--quiet"]
    started = time.monotonic()
    process = subprocess.Popen(list(map(str, command)))
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"training on {data} ended with {status}")
    whole = time.monotonic() - started
    lines = (logs / "run-1" / "history.jsonl").read_text().splitlines()
    at = {event["step"]: event["seconds"] for event in map(json.loads, lines)}
    shutil.rmtree(logs)
    shutil.rmtree(model)
    return {
        "seconds_a_step": (at[steps] - at[from_step]) / (steps - from_step),
        "seconds_besides": whole - at[steps],
        "seconds": whole,
        "peak_memory_bytes": usage.ru_maxrss * 1024,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="fashion_mnist.npz")
    parser.add_argument("folder", type=Path, help="where there is room for the sets")
    options = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        sets = write_sets(options.source, folder)
        for _ in range(2):
            for name, data in sets.items():
                runs.append({"set": name, **train(data, folder)})
                print(json.dumps(runs[-1]), flush=True)
    times = {
        name: [run["seconds_a_step"] for run in runs if run["set"] == name]
        for name in sets
    }
    small = np.array(times.pop(SMALL))
    result = {
        "command": "python benchmarks/million.py fashion_mnist.npz FOLDER",
        "ratio_of_seconds_a_step": {
            name: np.round(np.array(each) / small, 3).tolist()
            for name, each in times.items()
        },
        "runs": runs,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
