"""Four attributes as conditions: digit, colour, rotation and background.

    python benchmarks/attributes.py color_mnist.npz --minutes 10

Trains once on 28x28 colour digits (`x_train`, `attrs_train`, `attr_names`), without any
image of one combination of digit and colour. Small classifiers, one for each attribute,
trained on the whole training part, say what is in the images made, as they do of real
test images. Writes results/attributes.json and .png: one digit, a row for each
rotation, two images of each colour; below, the combination that was left out.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd

from balancegan import ConditionalGANAugmenter, UnseenCombinationWarning
from balancegan.gan.presets import UNBOUNDED_STEPS
from balancegan.pictures import tile_grid, write_png

RESULTS = Path(__file__).parent / "results"
NAMES = ("digit", "colour", "rotation", "background")
LEFT_OUT = {"digit": "4", "colour": "magenta"}
SHOWN_DIGIT = "3"
EPOCHS = 10
PER_DIGIT = 200
PER_COMBINATION = 300  # of the one left out


def read(path):
    """Return images and frames of labels, the training part first."""
    with np.load(path, allow_pickle=False) as file:
        data = dict(file)
    values = [[str(digit) for digit in range(10)], None, None, None]
    for position, name in enumerate(data["attr_names"]):
        if ":" in name:  # "colour:red,green,..."
            values[position] = name.partition(":")[2].split(",")
    parts = []
    for part in ("train", "test"):
        columns = data[f"attrs_{part}"].T
        frame = {
            name: column if known is None else np.array(known)[column]
            for name, column, known in zip(NAMES, columns, values, strict=True)
        }
        parts += [data[f"x_{part}"], pd.DataFrame(frame)]
    return parts


class Reader:
    """A classifier of one attribute, of real images alone."""

    def __init__(self, images, labels):
        self.values, classes = np.unique(labels, return_inverse=True)
        keras.utils.set_random_seed(0)
        layers = keras.layers
        self.network = keras.Sequential(
            [
                layers.Input(images.shape[1:]),
                layers.Rescaling(1 / 127.5, -1),
                layers.Conv2D(32, 3, strides=2, activation="relu"),
                layers.Conv2D(64, 3, strides=2, activation="relu"),
                layers.Flatten(),
                layers.Dense(128, "relu"),
                layers.Dropout(0.3),
                layers.Dense(len(self.values)),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.network.compile("adam", loss)
        self.network.fit(images, classes, batch_size=128, epochs=EPOCHS, verbose=2)

    def agreement(self, images, labels):
        logits = self.network.predict(images, batch_size=500, verbose=0)
        return float(np.mean(self.values[logits.argmax(axis=1)] == labels))


def agreements(readers, images, labels):
    return {
        name: round(reader.agreement(images, labels[name].to_numpy()), 3)
        for name, reader in readers.items()
    }


def ask_for_all(augmenter, labels):
    """Return images of combinations drawn as the training part has them."""
    images, asked = [], []
    for digit in labels["digit"].unique():
        rows = labels[labels["digit"] == digit].head(PER_DIGIT)
        for label, n in rows.value_counts(sort=False).items():
            images.append(augmenter.sample(label, n))
            asked += [label] * n
    return np.concatenate(images), pd.DataFrame(asked, columns=list(NAMES))


def ask_for_left_out(augmenter, labels):
    """Return images of the combination left out, in all rotations and backgrounds."""
    images, asked = [], []
    others = labels[["rotation", "background"]].drop_duplicates()
    for rest in others.sort_values(["rotation", "background"]).to_dict("records"):
        label = LEFT_OUT | rest
        n = PER_COMBINATION // len(others)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnseenCombinationWarning)
            images.append(augmenter.sample(label, n))
        asked += [label] * n
    return np.concatenate(images), pd.DataFrame(asked)


def draw(augmenter, labels, left_out_images):
    """Return a grid: rotations down, colours across, the left out ones below."""
    rows = []
    for rotation in sorted(labels["rotation"].unique()):
        label = {"digit": SHOWN_DIGIT, "rotation": rotation}
        colours = sorted(labels["colour"].unique())
        row = [augmenter.sample(label | {"colour": c}, 2) for c in colours]
        rows.append(np.concatenate(row))
    every = np.linspace(0, len(left_out_images) - 1, 10).round().astype(int)
    return tile_grid([*rows, left_out_images[every]])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="x_train, attrs_train, x_test, attrs_test")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    x_train, train, x_test, test = read(options.source)
    readers = {name: Reader(x_train, train[name]) for name in NAMES}

    kept = ~np.logical_and.reduce([train[k] == v for k, v in LEFT_OUT.items()])
    augmenter = ConditionalGANAugmenter(
        steps=UNBOUNDED_STEPS, max_minutes=options.minutes, random_state=options.seed
    ).fit(x_train[kept], train[kept].reset_index(drop=True))
    assert augmenter.count_training_images(LEFT_OUT) == 0

    images, asked = ask_for_all(augmenter, train[kept])
    left_out_images, left_out = ask_for_left_out(augmenter, train)
    of_left_out = np.logical_and.reduce([test[k] == v for k, v in LEFT_OUT.items()])
    model, seen = augmenter.model_, augmenter.report_.class_history
    seen = seen[seen["step"] == seen["step"].max()]
    result = {
        "command": f"python benchmarks/attributes.py color_mnist.npz --minutes "
        f"{options.minutes:g} --seed {options.seed}",
        "images": int(kept.sum()),
        "combinations": int((model.counts > 0).sum()),
        "steps": model.n_steps,
        "seconds": round(model.seconds),
        "judge": {
            name: round(seen[name].mean(), 3)
            for name in seen
            if name.startswith("agreement_")
        },
        "agreement": agreements(readers, images, asked),
        "agreement_real": agreements(readers, x_test, test),
        "left_out": LEFT_OUT,
        "left_out_agreement": agreements(readers, left_out_images, left_out),
        "left_out_agreement_real": agreements(
            readers, x_test[of_left_out], test[of_left_out]
        ),
        "made": len(images),
        "left_out_made": len(left_out_images),
    }
    print(json.dumps(result), flush=True)
    file = RESULTS / "attributes.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    write_png(RESULTS / "attributes.png", draw(augmenter, train, left_out_images))


if __name__ == "__main__":
    main()
