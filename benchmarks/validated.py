"""Whether sampling_strategy="validated" ever does harm: against adding nothing.

    python benchmarks/validated.py --data DATA --only digits wbc chest --minutes 1.5
    python benchmarks/validated.py --data DATA --only fashion_lt --broken --minutes 1

DATA is the folder of the sets, see sets.py. For every seed, which
is also the draw or the fold, an augmenter chooses amounts; the classifier of the
comparison learns three times from the real rows with and without them, 500 steps each,
and is asked about the test images. Where nothing is chosen the rows are the same, and
so is what is learned: the difference is 0, and nothing is trained. --broken: a
generator that does not listen to what it is asked for, and rejection turned off.
Writes results/validated_SET.json or results/validated_broken_SET.json.
"""

import argparse
import json
import os
import time
import warnings
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sets import SETS, TEST_SHARES

from balancegan import ConditionalGANAugmenter
from balancegan.downstream.classifiers import TrainingRows, train_network
from balancegan.evaluation.metrics import overall_metrics
from balancegan.evaluation.verdicts import paired_difference
from balancegan.gan.networks import build_projection_generator

RESULTS = Path(__file__).parent / "results"
N_STEPS = 500
N_CLASSIFIERS = 3  # of each side


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=2.0, help="of the GAN")
    parser.add_argument("--validation-minutes", type=float, default=4.0)
    parser.add_argument("--broken", action="store_true")
    options = parser.parse_args()
    for name in options.only:
        runs = []
        for seed in range(options.seeds):
            runs.append(run(name, seed, options))
            print(json.dumps(runs[-1]), flush=True)
            write(name, runs, options)


def run(name, seed, options):
    x, y, x_test, y_test = SETS[name](options.data, seed)
    augmenter = ConditionalGANAugmenter(
        sampling_strategy="validated",
        max_minutes=options.minutes,
        validation_minutes=options.validation_minutes,
        random_state=seed,
        verbose=0,
    )
    if options.broken:
        augmenter.set_params(generator=build_deaf_generator, reject=False)
    started = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that are filled up in a simpler way
        X, balanced = augmenter.fit_resample(x, y)
    found = augmenter.validated_
    row = {
        "seed": seed,
        "seconds": round(time.monotonic() - started),
        "sentence": found.sentence,
        "tried": json.loads(found.tried.round(4).to_json(orient="records")),
        "synthetic": int(augmenter.is_synthetic_.sum()),
    }
    if row["synthetic"]:
        row["none"] = ask(augmenter, x, y, x_test, y_test)
        row["validated"] = ask(augmenter, X, balanced, x_test, y_test)
    return row


def ask(augmenter, images, labels, x_test, y_test):
    """Return the balanced accuracy of each classifier that learns from the images."""
    to_model_range = augmenter.model_.image_format.to_model_range
    classes, y_test = (
        y if y.ndim == 1 else y[:, 0]  # of dominoes: the garments
        for y in (labels, y_test)
    )
    n_classes = int(classes.max()) + 1
    rows = TrainingRows(images, classes, n_classes, to_model_range)
    counts = np.bincount(classes, minlength=n_classes).tolist()
    found = []
    for seed in range(N_CLASSIFIERS):
        seen = train_network(None, rows, x_test, seed, n_steps=N_STEPS)
        figures = overall_metrics(y_test, seen.argmax(axis=1), seen, counts)
        found.append(round(figures["balanced_accuracy"], 4))
    return found


def build_deaf_generator(image_shape, n_classes, latent_dim, seed):
    """Build a generator that makes the same image whatever class it is asked for."""
    generator = build_projection_generator(image_shape, n_classes, latent_dim, seed)
    latent, index = (
        keras.Input(each.shape[1:], dtype=each.dtype) for each in generator.inputs
    )
    deaf = keras.ops.zeros_like(index)
    return keras.Model([latent, index], generator([latent, deaf]))


def write(name, runs, options):
    means = {
        side: [float(np.mean(run.get(side, 0.0))) for run in runs]
        for side in ("validated", "none")
    }
    difference = paired_difference(
        means["validated"], means["none"], test_share=TEST_SHARES.get(name, 0.0)
    )
    facts = asdict(difference) | {"verdict": difference.verdict}
    result = {
        "command": f"python benchmarks/validated.py --data DATA --only {name}"
        f" --seeds {len(runs)} --minutes {options.minutes:g}"
        f" --validation-minutes {options.validation_minutes:g}"
        + " --broken"
        * options.broken,
        "difference": {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in facts.items()
            if value == value
        },
        "runs": runs,
    }
    kind = "validated_broken" if options.broken else "validated"
    file = RESULTS / f"{kind}_{name}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
