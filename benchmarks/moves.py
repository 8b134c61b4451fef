"""Which moves of copies are found to keep the class, on sets of several kinds.

    python benchmarks/moves.py --data DATA

DATA is the folder of the sets, see sets.py; also ahcd.npz and letters62.npz (letters,
thinned to a long tail) and folders of photos. `moves="auto"` looks at the training part
of each, no test image is seen. Expected before the first run: digits and letters may be
neither mirrored nor turned, garments mirrored, blood cells mirrored and turned. Writes
results/moves.json, set by set; what is there is not run again.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sets import SETS, read_npz

from balancegan.attributes import Attributes, Labels
from balancegan.data.reading import read_images
from balancegan.images import find_format
from balancegan.samplers.move_finder import find_moves

FILE = Path(__file__).parent / "results" / "moves.json"
FIGURES = ("recognised", "recognised_moved", "recognised_familiar")


def long_tailed_letters(file, rarest):
    """Return a reader of letters, from as many as there are down to the rarest."""

    def read(folder):
        images, y, _, _ = read_npz(folder / file)
        with np.load(folder / file) as arrays:
            kept = arrays.get("train_keep", np.ones(len(y), bool))
        images, y = images[kept], y[kept]
        rng = np.random.default_rng(0)
        n_classes = int(y.max()) + 1
        rows = []
        for place, index in enumerate(rng.permutation(n_classes)):
            own = rng.permutation(np.flatnonzero(y == index))
            share = (rarest / len(own)) ** (place / (n_classes - 1))
            rows.append(own[: round(len(own) * share)])
        rows = np.sort(np.concatenate(rows))
        return images[rows], y[rows]

    return read


def photos(name):
    def read(folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            labelled = read_images(folder / name, size=(64, 64))
        return labelled.images, labelled.labels

    return read


def of_sets(name):
    return lambda folder: SETS[name](folder, 0)[:2]


READERS = {
    **{name: of_sets(name) for name in ("mnist_lt", "digits")},
    "ahcd_lt": long_tailed_letters("ahcd.npz", 5),
    "letters62_lt": long_tailed_letters("letters62.npz", 4),
    **{name: of_sets(name) for name in ("fashion_lt", "blood", "chest")},
    **{name: photos(name) for name in ("wbc_folder", "potato", "magnetic_tile")},
    "asl36": photos("asl36"),
}


def run(images, y):
    attributes, indices = Attributes.learn(Labels.of_one(y))
    start = time.perf_counter()
    image_format = find_format(images)
    found = find_moves(images, indices, image_format, attributes, seed=0)
    table = found.table
    table[list(FIGURES)] = table[list(FIGURES)].astype(float).round(3)
    moves = {
        move: {
            "allowed": move in found.allowed,
            "pass": int(own["passes"].eq(True).sum()),
            "fail": int(own["passes"].eq(False).sum()),
            "unknown": int(own["passes"].isna().sum()),
            **{name: round(float(own[name].mean()), 3) for name in FIGURES[:2]},
        }
        for move, own in table.groupby("move", sort=False)
    }
    return {
        "images": len(images),
        "size": list(image_format.image_shape),
        "classes": len(np.unique(y)),
        "seconds": round(time.perf_counter() - start),
        "sentence": found.sentence,
        "moves": moves,
        "table": json.loads(table.to_json(orient="records")),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=READERS, default=list(READERS))
    options = parser.parse_args()
    result = {"command": "python benchmarks/moves.py --data DATA", "sets": {}}
    if FILE.exists():
        result = json.loads(FILE.read_text())
    for name in options.only:
        if name in result["sets"]:
            continue
        result["sets"][name] = run(*READERS[name](options.data))
        print(name, result["sets"][name]["sentence"], flush=True)
        FILE.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
