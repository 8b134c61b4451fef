"""Where the loss lies: what other images would bring in place of the synthetic ones.

    python benchmarks/bounds.py --data DATA --models MODELS --only fashion_lt

DATA is the folder of the sets, see sets.py, MODELS one that GANs are kept in. Every
class of a long-tailed draw is filled up to the largest, and the comparison's network
learns from the rows, with shifts, 1,000 steps of 128 images:

- "repeated": with its own images, again and again; what costs nothing;
- "real": with real images of the class that the draw left out; the limit;
- "gan": with images of a GAN trained on the draw;
- "gan of all": with images of a GAN trained on all images that there are, as many of
  each class, so that what it lacks is not data;
- "gan of all, once": the same, and no real image at all.

GANs have the default number of steps and the seed 0; images are those that are not
rejected, but for the last. A seed is the draw's and the classifier's.
Writes results/bounds_SET.json, run by run; what is there is not run again.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sets import draw_rows, read_npz

from balancegan import ConditionalGANAugmenter
from balancegan.downstream.classifiers import TrainingRows, train_network
from balancegan.downstream.transformations import shift_images
from balancegan.evaluation.metrics import class_figures, overall_figures
from balancegan.images import find_format

RESULTS = Path(__file__).parent / "results"
FILES = {"fashion_lt": "fashion_mnist.npz", "mnist_lt": "mnist.npz"}
N_STEPS = 1_000
FILLINGS = ("repeated", "real", "gan", "gan of all", "gan of all, once")


class Bounds:
    """One set: its images, its draws, and what classes are filled up with."""

    def __init__(self, file, models):
        self.x, self.y, self.x_test, self.y_test = read_npz(file)
        self.models = models

    def rows(self, filling, seed):
        """Return images and labels, as many of each class."""
        drawn = draw_rows(self.y, seed)
        x, y = self.x[drawn], self.y[drawn]
        counts = np.bincount(y)
        missing = counts.max() - counts
        rng = np.random.default_rng(seed)
        if filling.startswith("gan"):
            return self._generated(filling, x, y, seed)
        left = np.setdiff1d(np.arange(len(self.y)), drawn)
        added = []
        for c, n in enumerate(missing):
            of = drawn if filling == "repeated" else left
            own = of[self.y[of] == c]
            added.append(rng.choice(own, n, replace=n > len(own)))
        added = np.concatenate(added)
        return np.concatenate([x, self.x[added]]), np.concatenate([y, self.y[added]])

    def _generated(self, filling, x, y, seed):
        if filling == "gan":
            augmenter = self._trained(f"draw_{seed}", x, y)
        else:
            augmenter = self._trained("all", self.x, self.y)
        if filling.endswith("once"):
            n = int(np.bincount(y).max())
            classes = np.unique(y)
            made = [augmenter.sample(c, n) for c in classes]
            return np.concatenate(made), np.repeat(classes, n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return augmenter.resample("auto", x, y)

    def _trained(self, name, x, y):
        path = self.models / f"{name}.balancegan"
        if not path.exists():
            augmenter = ConditionalGANAugmenter(random_state=0, verbose=0)
            augmenter.fit(x, y).save(path)
        return ConditionalGANAugmenter.load(path).set_params(verbose=0)

    def run(self, filling, seed):
        x, y = self.rows(filling, seed)
        n_classes = int(y.max()) + 1
        to_model_range = find_format(x).to_model_range
        rows = TrainingRows(x, y, n_classes, to_model_range, shift_images)
        seen = train_network(None, rows, self.x_test, seed, n_steps=N_STEPS)
        predicted = seen.argmax(axis=1)
        counts = np.bincount(self.y[draw_rows(self.y, seed)]).tolist()
        figures = overall_figures(self.y_test, predicted, seen, counts)
        recall = class_figures(self.y_test, predicted, n_classes)["recall"]
        return {
            "filling": filling,
            "seed": seed,
            "balanced_accuracy": round(figures["balanced_accuracy"], 4),
            "few_shot": round(figures["few_shot"], 4),
            "recall": recall.round(4).tolist(),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--models", type=Path, required=True, help="where GANs are kept"
    )
    options = parser.parse_args()
    for name in options.only:
        file = RESULTS / f"bounds_{name}.json"
        result = json.loads(file.read_text()) if file.exists() else {"runs": []}
        result["command"] = (
            f"python benchmarks/bounds.py --data DATA --models MODELS --only {name}"
            f" --seeds {options.seeds}"
        )
        done = {(run["filling"], run["seed"]) for run in result["runs"]}
        models = options.models / name
        models.mkdir(parents=True, exist_ok=True)
        bounds = Bounds(options.data / FILES[name], models)
        for seed in range(options.seeds):
            for filling in FILLINGS:
                if (filling, seed) not in done:
                    result["runs"].append(bounds.run(filling, seed))
                    print(json.dumps(result["runs"][-1]), flush=True)
                    file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
