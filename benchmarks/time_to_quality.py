"""Measure image quality after several times of training, class by class.

    python benchmarks/make_lt.py fashion_mnist.npz fashion-lt-0.npz --draw 0
    python benchmarks/time_to_quality.py fashion-lt-0.npz --reference fashion.keras \
        --name fashion_lt_0 --baseline

One training with default settings and a budget of as many minutes as the last mark;
at every mark the averaged weights are copied. 300 images a
class are scored against the test images (see scoring.py). With --baseline the
tutorials' own loop is then trained on the same rows for as long. Writes
results/quality_NAME.json and, of the final images, results/quality_NAME.png. Includes
the work, in multiply-adds, and the rate of a plain convolution in the same run.
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
from tutorial_loop import BATCH_SIZE, TutorialLoop

from balancegan.attributes import Labels
from balancegan.gan.conditional_gan import build_gan
from balancegan.gan.judge import Judge
from balancegan.gan.presets import UNBOUNDED_STEPS, choose_preset
from balancegan.gan.training import TrainingRun
from balancegan.images import find_format
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
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            positions = np.prod(layer.input.shape[1:3])
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
    gan = build_gan(shape, model.counts, preset, 0, features=judge.feature_network)
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


class Snapshots:
    """Copies the weights that images would be made with, at each mark but the last."""

    def __init__(self, run, seconds):
        self.run, self.due, self.taken = run, list(seconds), []

    def __call__(self, event):
        # Within one record of the mark, or it would be of another time
        while len(self.due) > 1 and event["seconds"] >= self.due[0]:
            self.due.pop(0)
            weights = self.run.gan.sampling_generator.get_weights()
            self.taken.append((event["step"], event["seconds"], weights))


def train_ours(train, minutes, seed):
    """Yield (steps, step kept, seconds, multiply-adds, images) for each mark."""
    images, labels = train
    preset = choose_preset("default", steps=UNBOUNDED_STEPS)
    seconds = [60 * m for m in minutes]
    run = TrainingRun(
        images,
        Labels.of_one(labels),
        find_format(images),
        preset,
        seed,
        max_seconds=seconds[-1],
    )
    snapshots = Snapshots(run, seconds)
    run.history.listeners.append(snapshots)
    run.fit()
    model = run.result()
    final = model.n_steps, model.seconds, model.generator.get_weights()
    work = work_per_step(model)
    for step, at, weights in [*snapshots.taken, final]:
        model.generator.set_weights(weights)
        made = {
            c: np.concatenate(list(model.make_images(c, 0, PER_CLASS)))
            for c in range(len(model.classes))
        }
        kept = model.kept_step if step == model.n_steps else step
        yield step, kept, at, step * work, made


def train_baseline(train, minutes, seed):
    """Yield the same of the tutorials' own loop."""
    images, labels = train
    rows = images[..., None].astype("float32") / 127.5 - 1
    loop, step, started = TutorialLoop(rows, labels, seed), 0, time.perf_counter()
    rng = np.random.default_rng(seed)
    halted = 0.0
    for mark in minutes:
        while (at := time.perf_counter() - started - halted) < 60 * mark:
            loop.step()
            step += 1
        before = time.perf_counter()
        made = {}
        for c in range(10):
            latents = rng.standard_normal((PER_CLASS, 50)).astype("float32")
            classes = np.full((PER_CLASS, 1), c)
            drawn = loop.generator.predict([latents, classes], verbose=0)[..., 0]
            made[c] = np.round((drawn + 1) * 127.5).astype("uint8")
        halted += time.perf_counter() - before
        yield step, step, at, step * baseline_work_per_step(loop), made


def baseline_work_per_step(loop):
    """Multiply-adds of a step of the tutorials' loop.

    The discriminator: half a batch twice, forward and backward (3 each), and a full
    batch forward and backward to its inputs (2). The generator: half a batch forward
    (1), a full batch forward and backward (3).
    """
    g, d = multiply_adds(loop.generator), multiply_adds(loop.discriminator)
    return BATCH_SIZE * (3 * d + 2 * d + g / 2 + 3 * g)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="x_train, y_train, x_test, y_test; classes 0..")
    parser.add_argument("--reference", required=True, help="a Keras classifier")
    parser.add_argument("--name", required=True, help="of the result")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--baseline", action="store_true")
    options = parser.parse_args()
    with np.load(options.source, allow_pickle=False) as file:
        data = dict(file)
    train = data["x_train"], data["y_train"].astype(int)
    scorer = Scorer(
        options.reference, train, (data["x_test"], data["y_test"].astype(int))
    )
    few = np.flatnonzero(np.bincount(train[1]) <= FEW_SHOT).tolist()

    marks, rates = [], [convolution_rate()]
    for who, trained in (("balancegan", train_ours), ("tutorial", train_baseline)):
        if who == "tutorial" and not options.baseline:
            continue
        marks_of_run = trained(train, options.minutes, options.seed)
        for step, kept_step, seconds, work, made in marks_of_run:
            scores = {c: scorer.score(rows, c) for c, rows in made.items()}
            mark = {
                "who": who,
                "steps": step,
                "kept_step": kept_step,
                "seconds": round(seconds, 1),
                "multiply_adds": work,
                "mean": mean_of(scores, list(scores)),
                "few_shot": mean_of(scores, few),
                "classes": scores,
            }
            marks.append(mark)
            print(json.dumps({k: v for k, v in mark.items() if k != "classes"}))
        rates.append(convolution_rate())
        if who == "balancegan":
            rows = [drawn[:20] for drawn in made.values()]
            rows = [row.reshape(*row.shape[:3], -1) for row in rows]
            RESULTS.mkdir(exist_ok=True)
            picture = RESULTS / f"quality_{options.name}.png"
            write_png(picture, tile_grid(rows))

    result = {
        "command": f"python benchmarks/time_to_quality.py {Path(options.source).name} "
        f"--reference {Path(options.reference).name} --name {options.name} "
        f"--minutes {' '.join(f'{m:g}' for m in options.minutes)} "
        f"--seed {options.seed}" + " --baseline" * options.baseline,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "convolution_multiply_adds_per_second": rates,
        "marks": marks,
    }
    for mark in marks:
        share = mark["multiply_adds"] / mark["seconds"] / np.mean(rates)
        mark["share_of_convolution_rate"] = round(float(share), 3)
    file = RESULTS / f"quality_{options.name}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")


def mean_of(scores, classes):
    names = scores[classes[0]]
    return {
        name: round(float(np.mean([scores[c][name] for c in classes])), 3)
        for name in names
    }


if __name__ == "__main__":
    main()
