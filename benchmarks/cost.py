"""What a step costs as the work grows: images, pixels, classes.

    python benchmarks/cost.py fashion_mnist.npz folder-for-the-sets

Trains for 50 steps, a process each, by the command line: on 1,000 to 1,000,000 images
of 28x28 in 10 classes, on 2,000 images of 8x8 to 128x128 in 10 classes, and on 10,000
images of 28x28 in 2 to 1,000 classes (Fashion-MNIST, repeated, resized, its classes cut
up). Images are in mapped files. All is done twice, by turns. Writes results/cost.json
and cost.png: seconds a step (from step 10 on: before, it compiles), seconds besides
(imports, judge, looks) and the largest resident memory of each process.
"""

import argparse
import json
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from million import PART, train
from PIL import Image

RESULTS = Path(__file__).parent / "results"
STEPS, FROM_STEP = 50, 10
USUAL = {"images": 10_000, "side": 28, "classes": 10}
VARIED = {
    "images": [1_000, 10_000, 100_000, 1_000_000],
    "side": [8, 16, 28, 32, 64, 128],
    "classes": [2, 10, 100, 1_000],
}
FEWER = 2_000  # images where their size varies


def write_set(source, folder, images, side, classes):
    """Write mapped images and labels, some at a time."""
    with np.load(source, allow_pickle=False) as file:
        x, y = file["x_train"], file["y_train"]
    order = np.argsort(y, kind="stable")
    # Classes are runs of alike garments, all equally large
    taken = order[np.linspace(0, len(x) - 1, min(images, len(x))).astype(int)]
    labels = np.arange(len(taken)) * classes // len(taken)
    pick = np.arange(images) % len(taken)
    folder.mkdir()
    mapped = np.lib.format.open_memmap(
        folder / "x_train.npy", "w+", np.uint8, (images, side, side)
    )
    for start in range(0, images, PART):
        rows = x[taken[pick[start : start + PART]]]
        mapped[start : start + PART] = [resize(image, side) for image in rows]
    mapped.flush()
    np.save(folder / "y_train.npy", labels[pick])


def resize(image, side):
    if len(image) == side:
        return image
    size = (side, side)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def plot(runs):
    figures, axes = plt.subplots(2, 3, figsize=(11, 6))
    units = (("seconds_a_step", 1, "seconds a step"), ("peak_memory_bytes", 1e9, "GB"))
    for column, name in enumerate(VARIED):
        for row, (figure, unit, label) in enumerate(units):
            axis, chosen = axes[row, column], [r for r in runs if r["varied"] == name]
            values = [run[figure] / unit for run in chosen]
            axis.plot([run[name] for run in chosen], values, "o")
            axis.set_xscale("log")
            axis.set_ylim(0, 1.15 * max(values))
            axis.set_xlabel("pixels of a side" if name == "side" else name)
            axis.set_ylabel(label)
    figures.tight_layout()
    figures.savefig(RESULTS / "cost.png", dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="fashion_mnist.npz")
    parser.add_argument("folder", type=Path, help="where there is room for the sets")
    parser.add_argument("--times", type=int, default=2)
    options = parser.parse_args()
    runs = []
    for _ in range(options.times):
        for name, values in VARIED.items():
            for value in values:
                fewer = {"images": FEWER} if name == "side" else {}
                how = {**USUAL, **fewer, name: value}
                with tempfile.TemporaryDirectory(dir=options.folder) as place:
                    data = Path(place) / "data"
                    write_set(options.source, data, **how)
                    took = train(data, Path(place), STEPS, FROM_STEP)
                runs.append({"varied": name, **how, **took})
                print(json.dumps(runs[-1]), flush=True)
    command = (
        f"python benchmarks/cost.py fashion_mnist.npz FOLDER --times {options.times}"
    )
    result = {"command": command, "steps": STEPS, "from_step": FROM_STEP, "runs": runs}
    (RESULTS / "cost.json").write_text(json.dumps(result, indent=1) + "\n")
    plot(runs)


if __name__ == "__main__":
    main()
