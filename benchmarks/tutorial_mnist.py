"""The tutorials' experiment again: 30 epochs on MNIST, then fives and eights.

    python benchmarks/tutorial_mnist.py mnist.npz --model mnist-tutorial.balancegan

Trains the "tutorial" preset on the 60,000 images (an hour and a half on two cores) and
saves the model, or takes the model that is there; then asks for 100 images a class, has
a classifier trained on the real images say what they show, and writes
results/tutorial_mnist.json and .png (twenty fives, twenty eights).
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from balancegan import ConditionalGANAugmenter
from balancegan.pictures import tile_grid, write_png

RESULTS = Path(__file__).parent / "results"
IMAGES_PER_CLASS = 100


def train_classifier(data):
    """Return a small CNN trained on the real images, and its test accuracy."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(
        data["x_train"][..., None], data["y_train"], batch_size=128, epochs=3, verbose=2
    )
    test = data["x_test"][..., None], data["y_test"]
    return model, model.evaluate(*test, batch_size=500, verbose=0)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="mnist.npz in the layout of Keras")
    parser.add_argument("--model", type=Path, default=Path("mnist-tutorial.balancegan"))
    options = parser.parse_args()
    with np.load(options.source, allow_pickle=False) as file:
        data = dict(file)

    if options.model.exists():
        augmenter = ConditionalGANAugmenter.load(options.model)
    else:
        augmenter = ConditionalGANAugmenter(preset="tutorial", random_state=0)
        augmenter.fit(data["x_train"], data["y_train"]).save(options.model)

    classifier, accuracy = train_classifier(data)
    agreement = {}
    for digit in range(10):
        images = augmenter.sample(digit, IMAGES_PER_CLASS)[..., None]
        seen = classifier.predict(images, verbose=0).argmax(axis=1)
        agreement[digit] = round(float(np.mean(seen == digit)), 3)
    result = {
        "command": "python benchmarks/tutorial_mnist.py mnist.npz",
        "steps": augmenter.model_.n_steps,
        "training_seconds": round(augmenter.model_.seconds),
        "classifier_test_accuracy": round(float(accuracy), 4),
        "images_per_class": IMAGES_PER_CLASS,
        "label_agreement": agreement,
        "mean_label_agreement": round(float(np.mean(list(agreement.values()))), 3),
    }
    text = json.dumps(result, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tutorial_mnist.json").write_text(text + "\n")
    fives, eights = (augmenter.sample(digit, 20)[..., None] for digit in (5, 8))
    rows = [fives[:10], fives[10:], eights[:10], eights[10:]]
    write_png(RESULTS / "tutorial_mnist.png", tile_grid(rows))


if __name__ == "__main__":
    main()
