"""Where the ladder's rungs start: images of thinned classes, made in each way.

    python benchmarks/make_lt.py fashion_mnist.npz thin-0.npz \
        --counts 1000,1000,1000,40,20,12,8,5,3,2
    python benchmarks/make_lt.py fashion_mnist.npz thin-1.npz \
        --counts 2,3,5,8,12,20,40,1000,1000,1000
    balancegan train thin-0.npz --model thin-0.balancegan --random-state 0
    balancegan train thin-1.npz --model thin-1.balancegan --random-state 0
    python benchmarks/ladder.py --reference fashion.keras \
        --set thin-0.npz thin-0.balancegan --set thin-1.npz thin-1.balancegan

Each class of 40 images or fewer gets 200 by the GAN, 200 between real ones and 200
copies, the former two after rejection; they are scored by a classifier of
all real images (see scoring.py), and the classifier of the comparison learns from real
images and those of one way, and is asked about the test images. Writes
results/ladder.json, and of each set results/ladder_K.png: rows of a class by each way.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scoring import Scorer

from balancegan import ConditionalGANAugmenter
from balancegan.evaluation.classifiers import TrainingRows, train_network
from balancegan.evaluation.metrics import class_metrics
from balancegan.pictures import tile_grid, write_png
from balancegan.quality.screening import COPIED, GAN, INTERPOLATED
from balancegan.samplers import choice

RESULTS = Path(__file__).parent / "results"
THIN = 40  # images of a class at most
ADDED = 200
N_STEPS = 500
SEEDS = (0, 1)
SHOWN = 12
FIGURES = ("agreement", "coverage", "diversity", "intra_fd", "near_copies")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", required=True, help="a Keras classifier")
    parser.add_argument("--set", nargs=2, action="append", metavar=("DATA", "MODEL"))
    options = parser.parse_args()
    rows = []
    for k, (source, model) in enumerate(options.set):
        with np.load(source, allow_pickle=False) as file:
            data = dict(file)
        rows += run_set(data, model, options.reference, k)
    sets = " ".join(f"--set {Path(d).name} {Path(m).name}" for d, m in options.set)
    result = {
        "command": "python benchmarks/ladder.py --reference "
        f"{Path(options.reference).name} {sets}",
        "classes": sorted(rows, key=lambda row: row["real"]),
    }
    (RESULTS / "ladder.json").write_text(json.dumps(result, indent=1) + "\n")


def run_set(data, model, reference, k):
    train = data["x_train"], data["y_train"].astype(int)
    test = data["x_test"], data["y_test"].astype(int)
    scorer = Scorer(reference, train, test)
    counts = np.bincount(train[1])
    thin = np.flatnonzero(counts <= THIN)
    augmenter = ConditionalGANAugmenter.load(model).set_params(verbose=0, gan_share=1)
    found = {index: {"class": int(index), "real": int(counts[index])} for index in thin}
    recalls = {"none": ask(augmenter, train, test)}
    shown = {index: [train[0][train[1] == index][:SHOWN]] for index in thin}
    for method in (GAN, INTERPOLATED, COPIED):
        # This way alone: no class too small for it, none given up for another
        choice.RUNGS = ((method, 1), (COPIED, 1))
        targets = {int(i): int(counts[i]) + ADDED for i in thin}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            X, y = augmenter.resample(targets, *train)
        summary = augmenter.report_.quality_summary.set_index("class")
        made_so = augmenter.method_ == method
        for index in thin:
            own = X[(y == index) & made_so]
            row = {"made": len(own)}
            if "accepted" in summary:
                row["accepted"] = round(float(summary.loc[index, "accepted"]), 3)
            if len(own):
                scores = scorer.score(own, index)
                row |= {name: scores[name] for name in FIGURES}
                found[index]["real_agreement"] = scores["real_agreement"]
            found[index][method] = row
            blank = np.zeros((SHOWN, *X.shape[1:]), X.dtype)
            shown[index].append(np.concatenate([own, blank])[:SHOWN])
        kept = ~augmenter.is_synthetic_ | made_so
        recalls[method] = ask(augmenter, (X[kept], y[kept]), test)
    for index in thin:
        found[index]["recall"] = {
            method: round(float(values[index]), 3) for method, values in recalls.items()
        }
        print(json.dumps(found[index]), flush=True)
    grid = [row for index in thin for row in shown[index]]
    write_png(RESULTS / f"ladder_{k}.png", tile_grid([r[..., None] for r in grid]))
    return list(found.values())


def ask(augmenter, train, test):
    """Return the recall of each class, the mean over seeds."""
    to_model_range = augmenter.model_.image_format.to_model_range
    n_classes = len(augmenter.classes_)
    recalls = []
    for seed in SEEDS:
        rows = TrainingRows(*train, n_classes, to_model_range)
        probabilities = train_network(None, rows, test[0], seed, n_steps=N_STEPS)
        table = class_metrics(test[1], probabilities.argmax(axis=1), n_classes)
        recalls.append(table["recall"])
    return np.mean(recalls, axis=0)


if __name__ == "__main__":
    main()
