"""How many synthetic images per real one help: recall against their ratio.

    python benchmarks/make_lt.py fashion_mnist.npz fashion-lt-0.npz --draw 0
    balancegan train fashion-lt-0.npz --model fashion-lt-0.balancegan --random-state 0
    python benchmarks/ratio.py --name fashion_lt \
        --draw fashion-lt-0.npz fashion-lt-0.balancegan \
        --draw fashion-lt-1.npz fashion-lt-1.balancegan \
        --draw fashion-lt-2.npz fashion-lt-2.balancegan

Every class gets at most so many times as many images as it has, never more than fill it
up to the largest; the classifier of the comparison learns from these rows in 500 steps,
with shifts if asked for, and is asked about the test images. A draw's number is the
seed. Writes results/ratio_NAME.json and results/ratio_NAME.png.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from balancegan import ConditionalGANAugmenter
from balancegan.balance import FEW_SHOT
from balancegan.evaluation.classifiers import TrainingRows, train_network
from balancegan.evaluation.methods import shift_images
from balancegan.evaluation.metrics import class_metrics, overall_metrics

RESULTS = Path(__file__).parent / "results"
RATIOS = (0, 1, 2, 5, 10, 20, None)  # None: full
N_STEPS = 500
FIGURES = ("few-shot recall", "balanced accuracy")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="of the result")
    parser.add_argument("--shifts", action="store_true", help="of real and synthetic")
    parser.add_argument("--draw", nargs=2, action="append", metavar=("DATA", "MODEL"))
    options = parser.parse_args()
    runs = []
    for seed, (source, model) in enumerate(options.draw):
        with np.load(source, allow_pickle=False) as file:
            data = dict(file)
        for run in run_draw(
            data, model, seed, shift_images if options.shifts else None
        ):
            runs.append(run)
            print(json.dumps(run), flush=True)
    draws = " ".join(
        f"--draw {Path(source).name} {Path(model).name}"
        for source, model in options.draw
    )
    result = {
        "command": f"python benchmarks/ratio.py --name {options.name} {draws}"
        + " --shifts" * options.shifts,
        "means": summarize(runs),
        "runs": runs,
    }
    file = RESULTS / f"ratio_{options.name}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    picture = RESULTS / f"ratio_{options.name}.png"
    draw_means(result["means"], runs, picture, options.name)


def run_draw(data, model, seed, transform):
    """Yield a row for each ratio."""
    images, labels = data["x_train"], data["y_train"].astype(int)
    augmenter = ConditionalGANAugmenter.load(model)
    augmenter.set_params(verbose=0, max_ratio=None, gan_share=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that are filled up otherwise
        X, y = augmenter.resample("auto", images, labels)
    to_model_range = augmenter.model_.image_format.to_model_range
    counts = np.bincount(labels)
    for ratio in RATIOS:
        rows = [np.arange(len(images))]
        for index, n in enumerate(counts):
            # Image k of a class is the same whatever the counts
            own = np.flatnonzero(augmenter.is_synthetic_ & (y == index))
            rows.append(own if ratio is None else own[: ratio * n])
        rows = np.concatenate(rows)
        training = TrainingRows(
            X[rows], y[rows], len(counts), to_model_range, transform
        )
        probabilities = train_network(
            None, training, data["x_test"], seed, n_steps=N_STEPS
        )
        true, predicted = data["y_test"].astype(int), probabilities.argmax(axis=1)
        recalls = class_metrics(true, predicted, len(counts))["recall"]
        figures = overall_metrics(true, predicted, probabilities, counts.tolist())
        yield {
            "draw": seed,
            "ratio": "full" if ratio is None else ratio,
            "synthetic": len(rows) - len(images),
            "few-shot recall": round(float(recalls[counts <= FEW_SHOT].mean()), 4),
            "balanced accuracy": round(figures["balanced_accuracy"], 4),
            "recalls": [round(float(recall), 4) for recall in recalls],
        }


def summarize(runs):
    """Return means over draws, and what is gained over no synthetic images at all."""
    means = []
    none = {run["draw"]: run for run in runs if run["ratio"] == 0}
    for ratio in dict.fromkeys(run["ratio"] for run in runs):
        row = {"ratio": ratio}
        own = [run for run in runs if run["ratio"] == ratio]
        for name in FIGURES:
            gains = [run[name] - none[run["draw"]][name] for run in own]
            row[name] = round(float(np.mean([run[name] for run in own])), 4)
            row[f"{name}: gain"] = round(float(np.mean(gains)), 4)
            row[f"{name}: gains"] = [round(gain, 4) for gain in gains]
        means.append(row)
    return means


def draw_means(means, runs, file, title):
    figure, axes = plt.subplots(1, len(FIGURES), figsize=(9, 3.6), layout="tight")
    places = range(len(means))
    for axis, name in zip(axes, FIGURES, strict=True):
        for draw in {run["draw"] for run in runs}:
            values = [run[name] for run in runs if run["draw"] == draw]
            axis.plot(places, values, "o-", ms=3, lw=0.7, alpha=0.5, color="grey")
        axis.plot(places, [row[name] for row in means], "o-", label="mean of draws")
        axis.set_xticks(places, [str(row["ratio"]) for row in means])
        axis.set(xlabel="synthetic images per real one, at most", title=name)
    axes[0].legend()
    figure.suptitle(title)
    figure.savefig(file, dpi=100)


if __name__ == "__main__":
    main()
