"""What rejecting images does: agreement, coverage, diversity, before and after.

    python benchmarks/make_lt.py fashion_mnist.npz fashion-lt-0.npz --draw 0
    balancegan train fashion-lt-0.npz --model fashion-lt-0.balancegan --random-state 0
    python benchmarks/rejection.py fashion-lt-0.npz --model fashion-lt-0.balancegan \
        --reference fashion.keras --name fashion_lt_0

Scores the first 300 images of each class, and the first 300 that are accepted, against
the test images by a classifier of all real training images (see scoring.py), which the
judges know nothing of. Writes results/rejection_NAME.json and, of what was accepted
and rejected, results/rejection_NAME.png.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scoring import Scorer

from balancegan import ConditionalGANAugmenter
from balancegan.pictures import tile_grid, write_png
from balancegan.quality.judges import Reference
from balancegan.quality.screening import screen_images
from balancegan.samplers.summary import find_reason

RESULTS = Path(__file__).parent / "results"
PER_CLASS = 300
SHOWN = 12
FIGURES = ("agreement", "coverage", "density", "diversity", "intra_fd", "near_copies")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="x_train, y_train, x_test, y_test; classes 0..")
    parser.add_argument("--model", required=True, help="trained on it")
    parser.add_argument("--reference", required=True, help="a Keras classifier")
    parser.add_argument("--name", required=True, help="of the result")
    options = parser.parse_args()
    with np.load(options.source, allow_pickle=False) as file:
        data = dict(file)
    train = data["x_train"], data["y_train"].astype(int)
    test = data["x_test"], data["y_test"].astype(int)
    scorer = Scorer(options.reference, train, test)
    model = ConditionalGANAugmenter.load(options.model).model_

    started = time.perf_counter()
    reference = Reference(
        *train, model.image_format, model.attributes.sizes, model.seed
    )
    judging_seconds = time.perf_counter() - started
    classes, pictures = [], []
    for index in range(len(model.classes)):
        started = time.perf_counter()
        selection = model.select(index)
        screened = screen_images(model, reference, selection, PER_CLASS)
        seconds = time.perf_counter() - started
        first = make(model, selection, np.arange(PER_CLASS))
        kept = make(model, selection, screened.numbers)
        before, after = scorer.score(first, index), scorer.score(kept, index)
        rejected = screened.figures["rejected"]
        classes.append(
            {
                "class": index,
                "real": int((train[1] == index).sum()),
                "accepted": round(float((rejected == "").mean()), 3),
                "rejected": rejected[rejected != ""].value_counts().to_dict(),
                "reason": find_reason(screened)[0],
                "judged": round(float(screened.figures["agrees"].mean()), 3),
                "judged_real": round(screened.limits.real_agreement, 3),
                "real_agreement": before["real_agreement"],
                "before": {name: before[name] for name in FIGURES},
                "after": {name: after[name] for name in FIGURES},
                "seconds": round(seconds, 1),
            }
        )
        print(json.dumps(classes[-1]), flush=True)
        out = np.flatnonzero(rejected != "")[:SHOWN]
        shown = [kept[:SHOWN], make(model, selection, out)]
        blank = np.zeros((SHOWN - len(out), *kept.shape[1:]), kept.dtype)
        pictures.append(np.concatenate([*shown, blank]))
    rows = [row.reshape(*row.shape[:3], -1) for row in pictures]
    write_png(RESULTS / f"rejection_{options.name}.png", tile_grid(rows))
    result = {
        "command": f"python benchmarks/rejection.py {Path(options.source).name} "
        f"--model {Path(options.model).name} --reference "
        f"{Path(options.reference).name} --name {options.name}",
        "steps": model.n_steps,
        "seed": model.seed,
        "judging_seconds": round(judging_seconds, 1),
        "classes": classes,
    }
    file = RESULTS / f"rejection_{options.name}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")


def make(model, selection, numbers):
    return np.concatenate(
        [images for images, _ in model.make_numbered(selection, numbers)]
    )


if __name__ == "__main__":
    main()
