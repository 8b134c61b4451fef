"""Measure how many rare images are needed to find the pixels of each attribute.

    python benchmarks/regions.py --data DATA

DATA is the folder of the sets, see sets.py. Dominoes are
correlated digits above garments. A few images of rare combinations are kept, and the
regions of both attributes are estimated from real images: their separation, and the
share of the variance in pixels of the right attribute. Images without separate regions
are tested too: the mean or maximum of digit and garment, a garment whose brightness is
the digit, a garment alone. Writes results/regions.json and prints a summary.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from sets import SETS

from balancegan.gan.regions import Regions
from balancegan.images import find_format

FILE = Path(__file__).parent / "results" / "regions.json"
SIZES = (10, 10)  # garments, digits
SIDE = 28
RARE = (150, 100, 50, 30, 20, 10, 5, 2)
APART = "beside each other"
KINDS = {  # (images of digits, images of garments, digits) to images
    APART: lambda digit, garment, _: np.concatenate([digit, garment], axis=1),
    "mean": lambda digit, garment, _: digit // 2 + garment // 2,
    "maximum": lambda digit, garment, _: np.maximum(digit, garment),
    "brightness": lambda _, garment, y: (
        garment * (0.3 + 0.07 * y)[:, None, None]
    ).astype("uint8"),
    "garment alone": lambda _, garment, _y: garment,
}


def run(folder, draw):
    """Yield what real images of one draw show, with fewer and fewer rare ones."""
    x, labels, *_ = SETS["dominoes"](folder, draw)
    digit, garment = x[:, :SIDE], x[:, SIDE:]
    rare = np.flatnonzero(labels[:, 0] != labels[:, 1])
    rare = np.random.default_rng(draw).permutation(rare)
    for kind, put_together in KINDS.items():
        images = put_together(digit, garment, labels[:, 1])
        to_model_range = find_format(images).to_model_range
        for n in RARE:
            rows = np.setdiff1d(np.arange(len(x)), rare[n:])
            y = np.ravel_multi_index(tuple(labels[rows].T), SIZES)
            regions = Regions.of_real(images[rows], y, to_model_range, SIZES, draw)
            row = {"kind": kind, "draw": draw, "rare": n}
            row["apart"] = round(regions.apart, 4)
            row["are_apart"] = regions.are_apart
            if kind == APART:
                is_digit = np.arange(len(regions.owners))[:, None] < SIDE
                variance = images.astype(float).var(axis=0)
                right = variance[regions.owners == is_digit].sum() / variance.sum()
                row["right"] = round(float(right), 4)
            yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", nargs="+", type=int, default=list(range(12)))
    options = parser.parse_args()
    runs = [row for draw in options.draws for row in run(options.data, draw)]
    result = {"command": "python benchmarks/regions.py --data DATA", "runs": runs}
    FILE.write_text(json.dumps(result, indent=1) + "\n")
    of = pd.DataFrame(runs).groupby(["kind", "rare"], sort=False)
    shown = of.agg(
        {"apart": ["min", "mean", "max"], "are_apart": "sum", "right": "min"}
    )
    print(shown.round(3).to_string())


if __name__ == "__main__":
    main()
