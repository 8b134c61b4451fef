"""A set larger than it should be in memory: how much memory balancing it takes.

    python benchmarks/large_set.py bccd_cells.npz folder-for-the-set

Writes 100,000 colour images of 64x64 pixels to a mapped file (1.2 GB; real cells, moved
and mirrored at random), 75,000 of one class and 25,000 of another, and balances them
into a folder: 200 steps of training, 50,000 synthetic images, a PNG file each. Writes
results/large_set.json with the time and the largest resident memory of the process.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
COUNTS = {"RBC": 75_000, "WBC": 25_000}
STEPS = 200
MOST_MOVED = 6  # pixels
PART = 1_000


def write_set(source, folder):
    """Write images and labels as .npy files, some at a time."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    with np.load(source, allow_pickle=False) as file:
        cells, labels = file["x_train"], file["y_train"]
        names = file["class_names"].tolist()
    total = sum(COUNTS.values())
    images = np.lib.format.open_memmap(
        folder / "x_train.npy", "w+", np.uint8, (total, *cells.shape[1:])
    )
    done = 0
    for name, n in COUNTS.items():
        rows = np.flatnonzero(labels == names.index(name))
        for start in range(0, n, PART):
            for image in cells[rng.choice(rows, min(PART, n - start))]:
                moved = rng.integers(-MOST_MOVED, MOST_MOVED + 1, 2)
                mirrored = image[:, :: rng.choice([-1, 1])]
                images[done] = np.roll(mirrored, moved, axis=(0, 1))
                done += 1
    images.flush()
    np.save(folder / "y_train.npy", np.repeat(list(COUNTS), list(COUNTS.values())))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="bccd_cells.npz")
    parser.add_argument("folder", type=Path, help="made, and removed afterwards")
    options = parser.parse_args()
    options.folder.mkdir()
    large, out = options.folder / "large", options.folder / "balanced"
    write_set(options.source, large)
    command = [Path(sys.executable).with_name("balancegan"), "balance", large]
    command += ["--out", out, "--steps", STEPS, "--random-state", 0, "--json"]
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True
    )
    facts = json.loads(done.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    result = {
        "command": "python benchmarks/large_set.py bccd_cells.npz large",
        "images": sum(COUNTS.values()),
        "set_bytes": (large / "x_train.npy").stat().st_size,
        "steps": facts["steps"],
        "synthetic": len(list(out.rglob("synthetic_*.png"))),
        "real": len(list(out.rglob("real_*.png"))),
        "peak_memory_bytes": peak,
        **{name: facts[name] for name in facts if name.endswith("_seconds")},
    }
    print(json.dumps(result, indent=1))
    (RESULTS / "large_set.json").write_text(json.dumps(result, indent=1) + "\n")
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
