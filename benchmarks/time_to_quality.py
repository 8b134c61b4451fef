"""How good images are after so many minutes of training, class by class.

    python benchmarks/make_lt.py fashion_mnist.npz fashion-lt-0.npz --draw 0
    python benchmarks/time_to_quality.py fashion-lt-0.npz --reference fashion.keras \
        --name fashion_lt_0 --minutes 8

One training per budget and seed, with default settings; 300 images a class are scored
against the test images (see scoring.py). Adds a run to results/NAME.json and draws
results/NAME.png. States the work, in multiply-adds, and the rate of a plain
convolution on the same machine beside the seconds.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from scoring import Scorer

from balancegan import ConditionalGANAugmenter
from balancegan.gan import build_gan
from balancegan.judge import Judge
from balancegan.pictures import tile_grid, write_png

RESULTS = Path(__file__).parent / "results"
PER_CLASS = 300
FEW_SHOT = 200


def multiply_adds(network):
    """Multiply-adds of one image through the convolutions and matrix products."""
    total = 0
    for layer in network._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.Conv2D):
            positions = np.prod(layer.output.shape[1:3])
            total += int(positions * np.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    return total


def work_per_step(model):
    """Multiply-adds of a step: forward is 1, backward to inputs 1, to weights 1.

    The generator goes forward and backward once. The discriminator sees real and
    generated images forward (2) and backward to inputs and weights (4), and once more
    backward to the generated images (1). The penalties, at both kinds of images, are
    a forward pass and a gradient (4), and backward through both (8), in one step of
    `penalty_interval`. Frozen layers are counted as if they were trained: an upper
    bound.
    """
    preset, image_format = model.preset, model.image_format
    shape, n_classes = image_format.image_shape, len(model.classes)
    judge = Judge(shape, n_classes, image_format.to_model_range, 0)
    gan = build_gan(shape, n_classes, preset, 0, features=judge.feature_network)
    generator, discriminator = map(multiply_adds, (gan.generator, gan.discriminator))
    per_image = 3 * generator + (7 + 12 / preset.penalty_interval) * discriminator
    return preset.batch_size * per_image


def convolution_rate(seconds=3.0):
    """Multiply-adds a second of a 3x3 convolution, forward and backward."""
    x = tf.random.normal((128, 14, 14, 128))
    kernel = tf.Variable(tf.random.normal((3, 3, 128, 128)))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.nn.conv2d(x, kernel, 1, "SAME") ** 2)
        return tape.gradient(y, [x, kernel])

    step()
    n, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        _ = [g.numpy()[0, 0, 0, 0] for g in step()]
        n += 1
    work = n * 3 * 128 * 14 * 14 * 9 * 128 * 128
    return work / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="x_train, y_train, x_test, y_test; classes 0..")
    parser.add_argument("--reference", required=True, help="a Keras classifier")
    parser.add_argument("--name", required=True, help="of the result")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with np.load(options.source, allow_pickle=False) as file:
        data = dict(file)
    train = data["x_train"], data["y_train"].astype(int)
    scorer = Scorer(
        options.reference, train, (data["x_test"], data["y_test"].astype(int))
    )

    rate = convolution_rate()
    augmenter = ConditionalGANAugmenter(
        max_minutes=options.minutes, random_state=options.seed
    ).fit(*train)
    images = {int(c): augmenter.sample(c, PER_CLASS) for c in augmenter.classes_}
    scores = {c: scorer.score(rows, c) for c, rows in images.items()}
    few = [c for c, n in augmenter.class_counts_.items() if n <= FEW_SHOT]
    model = augmenter.model_
    work = model.n_steps * work_per_step(model)
    run = {
        "command": f"python benchmarks/time_to_quality.py {Path(options.source).name} "
        f"--reference REFERENCE --name {options.name} --minutes {options.minutes:g} "
        f"--seed {options.seed}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "steps": model.n_steps,
        "kept_step": model.kept_step,
        "seconds": round(model.seconds, 1),
        "multiply_adds": work,
        "convolution_multiply_adds_per_second": rate,
        "share_of_convolution_rate": round(work / model.seconds / rate, 3),
        "mean": mean_of(scores, list(scores)),
        "few_shot": mean_of(scores, few),
        "classes": scores,
    }
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{options.name}.json"
    runs = json.loads(file.read_text()) if file.exists() else []
    file.write_text(json.dumps([*runs, run], indent=1) + "\n")
    print(json.dumps(run, indent=1))
    rows = [drawn[:20] for drawn in images.values()]
    rows = [row.reshape(*row.shape[:3], -1) for row in rows]
    write_png(RESULTS / f"{options.name}.png", tile_grid(rows))


def mean_of(scores, classes):
    names = scores[classes[0]]
    return {
        name: round(float(np.mean([scores[c][name] for c in classes])), 3)
        for name in names
    }


if __name__ == "__main__":
    main()
