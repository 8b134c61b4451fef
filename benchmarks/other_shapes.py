"""Default settings on images of other shapes: 8x8, 25x40, four channels, 64x64 colour.

    python benchmarks/other_shapes.py --fashion fashion-lt-0.npz --blood bccd_cells.npz

Writes results/shape_NAME.json (seconds, and what the monitor saw at the end) and
results/shape_NAME.png (a row per class, real images left, synthetic ones right; the
first ones, not chosen).
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from balancegan import ConditionalGANAugmenter
from balancegan.gan.presets import UNBOUNDED_STEPS
from balancegan.pictures import tile_grid, write_png

RESULTS = Path(__file__).parent / "results"
SHOWN = 10  # real and synthetic images of a class


def digits(_options):
    """8x8 grey: 170 zeros down to 35 nines."""
    images, labels = load_digits(return_X_y=True)
    images = (images * 255 / 16).round().astype("uint8").reshape(-1, 8, 8)
    rows = [np.flatnonzero(labels == c)[: 170 - 15 * c] for c in range(10)]
    rows = np.concatenate(rows)
    return images[rows], labels[rows]


def oblong(options):
    """25x40 grey: garments, stretched."""
    with np.load(options.fashion, allow_pickle=False) as file:
        images, labels = file["x_train"], file["y_train"]
    wide = [np.asarray(Image.fromarray(image).resize((40, 25))) for image in images]
    return np.stack(wide), labels


def four_channels(options):
    """28x28x4: garments of random colours, with their outline as a fourth channel."""
    with np.load(options.fashion, allow_pickle=False) as file:
        images, labels = file["x_train"], file["y_train"]
    colours = np.random.default_rng(0).uniform(0.2, 1, (len(images), 1, 1, 3))
    coloured = (images[..., None] * colours).round().astype("uint8")
    outline = np.where(images > 0, 255, 0).astype("uint8")
    return np.concatenate([coloured, outline[..., None]], axis=-1), labels


def blood(options):
    """64x64 colour: blood cells as they come."""
    with np.load(options.blood, allow_pickle=False) as file:
        return file["x_train"], file["y_train"]


SETS = {
    "digits": digits,
    "oblong": oblong,
    "four_channels": four_channels,
    "blood": blood,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fashion", help="a long-tailed draw, see make_lt.py")
    parser.add_argument("--blood", help="64x64x3 cells: x_train, y_train")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--minutes", type=float, help="default: the preset's steps")
    options = parser.parse_args()
    for name in options.only:
        images, labels = SETS[name](options)
        augmenter = ConditionalGANAugmenter(
            steps=UNBOUNDED_STEPS if options.minutes else None,
            max_minutes=options.minutes,
            random_state=0,
        ).fit(images, labels)
        model = augmenter.model_
        seen = augmenter.report_.class_history
        seen = seen[seen["step"] == seen["step"].max()].drop(columns="step")
        result = {
            "command": f"python benchmarks/other_shapes.py --only {name}"
            + (f" --minutes {options.minutes:g}" if options.minutes else ""),
            "images": len(images),
            "shape": images.shape[1:],
            "steps": model.n_steps,
            "seconds": round(model.seconds, 1),
            "milliseconds_per_step": round(1000 * model.seconds / model.n_steps, 1),
            "last_look": json.loads(seen.round(3).to_json(orient="records")),
        }
        print(json.dumps(result), flush=True)
        file = RESULTS / f"shape_{name}.json"
        file.write_text(json.dumps(result, indent=1) + "\n")
        rows = []
        for label in augmenter.classes_:
            real = images[labels == label][:SHOWN]
            row = np.concatenate([real, augmenter.sample(label, SHOWN)])
            rows.append(row.reshape(*row.shape[:3], -1))
        write_png(RESULTS / f"shape_{name}.png", tile_grid(rows))


if __name__ == "__main__":
    main()
