"""Steps per second of our compiled loop and the tutorials' own, in turn in one run.

    python benchmarks/tutorial_speed.py mnist.npz

Same networks, same settings, same 60,000 images. Our training is stopped after every
block of steps for the tutorials' loop to take as many, because the speed of a machine
drifts; what counts is the ratio within a round. Writes results/tutorial_speed.json.
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
from tutorial_loop import TutorialLoop

from balancegan.gan.batches import BalancedBatches, to_dataset
from balancegan.gan.conditional_gan import STEPS_PER_CALL, build_gan
from balancegan.gan.presets import PRESETS
from balancegan.images import find_format

RESULTS = Path(__file__).parent / "results"


class TakeTurns(keras.callbacks.Callback):
    """After each block of our steps, times it, then a block of the baseline's."""

    def __init__(self, baseline, block):
        super().__init__()
        self.baseline, self.block = baseline, block
        self.rates = {"ours": [], "tutorial": []}
        self.steps = 0

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.steps += STEPS_PER_CALL
        if self.steps % self.block:
            return
        logs["generator_loss"] = float(logs["generator_loss"])  # waits for the step
        ours = self.block / (time.perf_counter() - self.started)
        started = time.perf_counter()
        for _ in range(self.block):
            self.baseline.step()
        self.started = time.perf_counter()
        if self.steps == self.block:  # both have compiled
            return
        self.rates["ours"].append(ours)
        self.rates["tutorial"].append(self.block / (self.started - started))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="mnist.npz in the layout of Keras")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="a block's")
    options = parser.parse_args()
    with np.load(options.source, allow_pickle=False) as file:
        images, labels = file["x_train"], file["y_train"].astype(int)
    image_format = find_format(images)
    preset = PRESETS["tutorial"]
    batches = BalancedBatches(
        images,
        labels,
        image_format.to_model_range,
        batch_size=preset.batch_size // 2,
        n_steps=options.steps * (options.rounds + 1),
        class_power=preset.class_power,
        seed=0,
    )
    baseline = TutorialLoop(image_format.to_model_range(images), labels, seed=0)
    turns = TakeTurns(baseline, options.steps)
    gan = build_gan(image_format.image_shape, [1] * 10, preset, seed=0)
    gan.fit(to_dataset(batches), shuffle=False, verbose=0, callbacks=[turns])
    rates = turns.rates
    ratios = np.array(rates["ours"]) / np.array(rates["tutorial"])
    result = {
        "command": "python benchmarks/tutorial_speed.py mnist.npz",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "keras": keras.version(),
        "rounds": options.rounds,
        "steps_per_block": options.steps,
        "steps_per_second": {k: summary(np.array(v)) for k, v in rates.items()},
        "ratio": summary(ratios),
    }
    text = json.dumps(result, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tutorial_speed.json").write_text(text + "\n")


def summary(values):
    return {
        "min": round(float(values.min()), 3),
        "median": round(float(np.median(values)), 3),
        "max": round(float(values.max()), 3),
    }


if __name__ == "__main__":
    main()
