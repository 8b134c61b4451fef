"""Compare ways of filling rare classes, and limits with further real images.

    python benchmarks/filling.py --data DATA --models MODELS --only fashion_lt

DATA is the folder of the sets (see sets.py), MODELS a folder for GANs. Every class of a
long-tailed draw grows to the largest, and the comparison's network trains on the rows,
1,000 steps of 128 images, with and without shifts:

- "repeated": repeated images;
- "gan": images of a GAN trained on the draw;
- "gan and again": default settings, 10 % generated, then copies, half of them shifted;
- "0% gan and again" and so on: the same with another share of generated images;
- "gan in all": repeated images, plus 400 generated ones in every class, so that being
  synthetic does not identify a class;
- "real": real images of the class that the draw left out (a limit);
- "gan of all": images of a GAN trained on all images (a limit);
- "gan of all in all": as "gan in all", with that GAN.

Training on one kind of image only, with shifts, the same number of each class:

- "100 real alone" and so on: real images;
- "100 gan of all alone" and so on: images of the GAN trained on all images;
- "4000 agreed gan of all alone" and so on: the same without disputed images, which the
  network, trained on all real images, assigns to another class.

GANs have the default number of steps and the seed 0. Rejected images are left out,
except when training on one kind only. A seed is that of the draw and the classifier.
Writes results/filling_SET.json, run by run; finished runs are kept.
"""

import argparse
import itertools
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sets import draw_rows, read_npz

from balancegan import ConditionalGANAugmenter
from balancegan.evaluation.classifiers import TrainingRows, train_network
from balancegan.evaluation.methods import shift_images
from balancegan.evaluation.metrics import class_metrics, overall_metrics
from balancegan.images import find_format

RESULTS = Path(__file__).parent / "results"
FILES = {"fashion_lt": "fashion_mnist.npz", "mnist_lt": "mnist.npz"}
N_STEPS = 1_000
N_IN_ALL = 400  # generated images in every class
IN_ALL = ("gan in all", "gan of all in all")
SHARES = {f"{share:.0%} gan and again": share for share in (0, 0.05, 0.2, 0.5)}
GENERATED = ("gan", "gan and again", *SHARES, "gan of all")
FILLINGS = ("repeated", *GENERATED, "real", *IN_ALL)
N_ALONE = (50, 100, 200, 400, 1_000, 4_000)
REAL, GAN_OF_ALL, AGREED = "real", "gan of all", "agreed gan of all"
KINDS = (REAL, GAN_OF_ALL, AGREED)
ALONE = {f"{n} {kind} alone": (n, kind) for n in N_ALONE for kind in KINDS}
ALL = (*FILLINGS, *ALONE)
DISAGREEING = 1.5  # factor of images generated; if fewer agree, there are fewer


class Filling:
    """One set: its images, its draws, and the ways of filling classes."""

    def __init__(self, file, models):
        self.x, self.y, self.x_test, self.y_test = read_npz(file)
        self.n_classes, self.models = int(self.y.max()) + 1, models

    def rows(self, filling, seed):
        """Return images and labels, as many of each class."""
        drawn = draw_rows(self.y, seed)
        x, y = self.x[drawn], self.y[drawn]
        counts = np.bincount(y)
        if filling in GENERATED:
            return self._generated(filling, x, y, seed)
        left = np.setdiff1d(np.arange(len(self.y)), drawn)
        of = left if filling == "real" else drawn
        rng = np.random.default_rng(seed)
        added = []
        for c, n in enumerate(counts.max() - counts):
            own = of[self.y[of] == c]
            added.append(rng.choice(own, n, replace=n > len(own)))
        added = np.concatenate(added)
        if filling in IN_ALL:
            wanted = {c: n + N_IN_ALL for c, n in enumerate(counts.tolist())}
            x, y = self._generated(filling, x, y, seed, wanted)
        return np.concatenate([x, self.x[added]]), np.concatenate([y, self.y[added]])

    def rows_alone(self, filling, seed):
        """Return images and labels of one kind, as many of each class, and notes."""
        n, kind = ALONE[filling]
        if kind == REAL:
            rng = np.random.default_rng(seed)
            of_classes = [np.flatnonzero(self.y == c) for c in range(self.n_classes)]
            rows = [rng.choice(own, n, replace=False) for own in of_classes]
            rows = np.concatenate(rows)
            return self.x[rows], self.y[rows], {}
        augmenter = self._trained("all", self.x, self.y)
        n_made = int(n * DISAGREEING) if kind == AGREED else n
        x = np.concatenate([augmenter.sample(c, n_made) for c in range(self.n_classes)])
        y = np.repeat(np.arange(self.n_classes), n_made)
        if kind != AGREED:
            return x, y, {}
        agreed = self._classify((self.x, self.y), True, x, seed).argmax(axis=1) == y
        notes = {"agreed": [round(agreed[y == c].mean(), 4) for c in np.unique(y)]}
        of_classes = [np.flatnonzero(agreed & (y == c)) for c in range(self.n_classes)]
        n = min(n, *map(len, of_classes))
        rows = np.concatenate([own[:n] for own in of_classes])
        return x[rows], y[rows], notes

    def _generated(self, filling, x, y, seed, wanted="auto"):
        if filling in ("gan of all", "gan of all in all"):
            augmenter = self._trained("all", self.x, self.y)
        else:
            augmenter = self._trained(f"draw_{seed}", x, y)
        if filling != "gan and again":
            augmenter.set_params(gan_share=SHARES.get(filling, 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return augmenter.resample(wanted, x, y)

    def _trained(self, name, x, y):
        path = self.models / f"{name}.balancegan"
        if not path.exists():
            augmenter = ConditionalGANAugmenter(random_state=0, verbose=0)
            augmenter.fit(x, y).save(path)
        return ConditionalGANAugmenter.load(path).set_params(verbose=0)

    def run(self, filling, shifts, seed):
        if filling in ALONE:
            x, y, notes = self.rows_alone(filling, seed)
        else:
            (x, y), notes = self.rows(filling, seed), {}
        seen = self._classify((x, y), shifts, self.x_test, seed)
        predicted = seen.argmax(axis=1)
        counts = np.bincount(self.y[draw_rows(self.y, seed)]).tolist()
        figures = overall_metrics(self.y_test, predicted, seen, counts)
        recall = class_metrics(self.y_test, predicted, self.n_classes)["recall"]
        return {
            "filling": filling,
            "shifts": shifts,
            "seed": seed,
            "images": len(x),
            **notes,
            "balanced_accuracy": round(figures["balanced_accuracy"], 4),
            "few_shot": round(figures["few_shot"], 4),
            "recall": recall.round(4).tolist(),
        }

    def _classify(self, learned, shifts, images, seed):
        """Return a network's probabilities of images, after it learned others."""
        to_model_range = find_format(self.x).to_model_range
        transform = shift_images if shifts else None
        rows = TrainingRows(*learned, self.n_classes, to_model_range, transform)
        return train_network(None, rows, images, seed, n_steps=N_STEPS)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--fillings", nargs="+", choices=ALL, default=ALL)
    parser.add_argument(
        "--models", type=Path, required=True, help="where GANs are kept"
    )
    options = parser.parse_args()
    for name in options.only:
        file = RESULTS / f"filling_{name}.json"
        result = json.loads(file.read_text()) if file.exists() else {"runs": []}
        result["command"] = (
            f"python benchmarks/filling.py --data DATA --models MODELS --only {name}"
        )
        done = {(run["filling"], run["shifts"], run["seed"]) for run in result["runs"]}
        models = options.models / name
        models.mkdir(parents=True, exist_ok=True)
        filling_of = Filling(options.data / FILES[name], models)
        for seed in options.seeds:
            for filling, shifts in itertools.product(options.fillings, (False, True)):
                if filling in ALONE and not shifts:
                    continue
                if (filling, shifts, seed) not in done:
                    result["runs"].append(filling_of.run(filling, shifts, seed))
                    print(json.dumps(result["runs"][-1]), flush=True)
                    file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
