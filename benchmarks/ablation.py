"""Measure the contribution of each part of the default preset by removing it.

    python benchmarks/ablation.py fashion_mnist.npz --reference fashion.keras --draw 11

Trains on a long-tailed draw (see make_lt.py), scores 300 images per class against 1,000
training images per class outside the draw, and adds a row to
results/ablation_DRAW.json for every variant without one, so an interrupted run resumes.
No test image is used, because this chooses the preset. The milliseconds of a step are a
median over calls, without compilation and judge.
"""

import argparse
import itertools
import json
import os
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from make_lt import draw_rows
from scoring import Scorer
from time_to_quality import FEW_SHOT, PER_CLASS, mean_of

from balancegan.attributes import Labels
from balancegan.gan import networks
from balancegan.gan.judge import JUDGE_STEPS
from balancegan.gan.presets import PRESETS
from balancegan.gan.training import TrainingRun
from balancegan.images import find_format

RESULTS = Path(__file__).parent / "results"
HELD_OUT_PER_CLASS = 1_000
WIDTHS = (128, 64, 32)  # of 7x7, 14x14 and 28x28 maps

VARIANTS = {
    "all": {},
    "no features of a judge": {"judge_features": False},
    "judge of 400 steps for 1,200": {"judge_steps": 400},
    "no image shifted": {"shift": 0.0},
    "every image shifted": {"shift_class_size": 10**6},
    "binary cross-entropy for the relativistic loss": {"loss": "binary_cross_entropy"},
    "no gradient penalties": {"penalty_weight": 0.0},
    "rows drawn as they come": {"class_power": 1.0},
    "no moving average": {"ema_half_life": None},
    "constant learning rate": {"decay_from": 1.0},
    "learning rate 2e-4": {"learning_rate": 2e-4},
    "nothing at full size, generator": {"networks": "coarse_generator"},
    "nothing at full size, discriminator": {"networks": "coarse_discriminator"},
    "class without latent in the normalisations": {"networks": "class_norm"},
}


def build_generator(
    image_shape, n_classes, latent_dim, seed, *, full_size=True, latent_in_norm=True
):
    """The default generator at 28x28, with two of its parts to be left out."""
    seeds = itertools.count(seed)
    latent, class_index = networks._generator_inputs(latent_dim)
    [label] = networks._embeddings(class_index, n_classes, 64, seeds)
    label = keras.layers.UnitNormalization()(label)
    both = keras.layers.Concatenate()([latent, label])
    condition = both if latent_in_norm else label
    x = networks._dense(both, 7 * 7 * WIDTHS[0], seeds)
    x = keras.layers.Reshape((7, 7, WIDTHS[0]))(x)
    x = networks._conditional_norm(x, condition)
    for filters in WIDTHS[1:]:
        x = networks.DepthToSpace()(networks._conv(x, 4 * filters, 3, seeds))
        x = networks._conditional_norm(x, condition)
    if full_size:
        x = networks._conv(x, networks.FULL_SIZE_WIDTH["generator"], 3, seeds)
        x = networks._conditional_norm(x, condition)
    image = networks._to_image(x, image_shape[-1], 3, seeds)
    return keras.Model([latent, class_index], image)


def build_strided_discriminator(image_shape, n_classes, seed, features=None):
    """The default discriminator at 28x28 without its convolution at full size."""
    seeds = itertools.count(seed)
    image, class_index = networks._discriminator_inputs(image_shape)
    x = image
    for filters in (32, 64, 128):
        x = networks._conv(x, filters, 4, seeds, strides=2)
        x = keras.layers.LeakyReLU(networks.LEAK)(x)
    x = keras.layers.Flatten()(x)
    logit = networks._projection_head(x, class_index, n_classes, seeds)
    maps = [keras.layers.Flatten()(m) for m in features(image)]
    x = keras.layers.Concatenate()(maps)
    second = networks._projection_head(x, class_index, n_classes, seeds)
    logit = keras.layers.Add()([logit, second])
    return keras.Model([image, class_index], logit)


def register_networks():
    """Give the variants' networks names that a preset can ask for."""
    arguments = (28, 28, 1), 10, 64, 0
    whole = build_generator(*arguments).count_params()
    if whole != networks.build_projection_generator(*arguments).count_params():
        raise SystemExit("build_generator here is no longer the package's; mend it.")

    def variant(**parts):
        return lambda *arguments: build_generator(*arguments, **parts)

    default_generator = networks.GENERATORS["projection"]
    default_discriminator = networks.DISCRIMINATORS["projection"]
    for name, generator, discriminator in (
        ("coarse_generator", variant(full_size=False), default_discriminator),
        ("class_norm", variant(latent_in_norm=False), default_discriminator),
        ("coarse_discriminator", default_generator, build_strided_discriminator),
    ):
        networks.GENERATORS[name] = generator
        networks.DISCRIMINATORS[name] = discriminator


class Clock(keras.callbacks.Callback):
    """When each call of several steps ended; the first one compiles."""

    def on_train_begin(self, logs=None):
        self.ends = []  # (step, seconds)

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append((int(self.model.step), time.perf_counter()))

    def seconds_per_step(self):
        steps, seconds = np.diff(self.ends, axis=0).T
        return float(np.median(seconds / steps))


def train_and_score(images, labels, scorer, preset, seed, judge_steps):
    run = TrainingRun(images, Labels.of_one(labels), find_format(images), preset, seed)
    clock = Clock()
    if run.judge is not None:
        share = None if judge_steps is None else judge_steps / JUDGE_STEPS
        run.judge.train(run.batches.images, run.batches.class_indices, share or 1)
    callbacks = [run.losses, run.schedule, clock]
    run.gan.fit(run.batches, verbose=0, shuffle=False, callbacks=callbacks)
    made = {
        c: np.concatenate(list(run.model.make_images(c, 0, PER_CLASS)))
        for c in range(len(run.model.classes))
    }
    scores = {c: scorer.score(rows, c) for c, rows in made.items()}
    few = [c for c, n in enumerate(run.model.counts) if n <= FEW_SHOT]
    return {
        "milliseconds_per_step": round(1000 * clock.seconds_per_step(), 1),
        "mean": mean_of(scores, list(scores)),
        "few_shot": mean_of(scores, few),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="the whole set: x_train, y_train")
    parser.add_argument("--reference", required=True, help="a Keras classifier")
    parser.add_argument("--draw", type=int, default=11)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    with np.load(options.source, allow_pickle=False) as file:
        images, labels = file["x_train"], file["y_train"].astype(int)
    rows = draw_rows(labels, options.draw)
    others = np.setdiff1d(np.arange(len(labels)), rows)
    rng = np.random.default_rng(options.draw)
    held_out = np.concatenate(
        [
            rng.permutation(others[labels[others] == c])[:HELD_OUT_PER_CLASS]
            for c in np.unique(labels)
        ]
    )
    train = images[rows], labels[rows]
    scorer = Scorer(options.reference, train, (images[held_out], labels[held_out]))

    register_networks()
    file = RESULTS / f"ablation_{options.draw}.json"
    done = json.loads(file.read_text()) if file.exists() else []
    for name in options.only:
        key = {
            "variant": name,
            "draw": options.draw,
            "seed": options.seed,
            "steps": options.steps,
        }
        if any(key.items() <= row.items() for row in done):
            continue
        changes = {"steps": options.steps, **VARIANTS[name]}
        judge_steps = changes.pop("judge_steps", None)
        preset = replace(PRESETS["default"], **changes)
        done.append(
            key | train_and_score(*train, scorer, preset, options.seed, judge_steps)
        )
        print(json.dumps(done[-1]), flush=True)
        file.write_text(json.dumps(done, indent=1) + "\n")
        keras.backend.clear_session()


if __name__ == "__main__":
    main()
