"""Steps a second: our compiled loop beside the tutorials' own, in turn in one run.

    python benchmarks/tutorial_speed.py mnist.npz

Same networks, same settings, same 60,000 images. The two take turns, a block of steps
each, because the speed of a machine drifts; what counts is the ratio within a round.
Writes results/tutorial_speed.json.
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

from balancegan.batches import BalancedBatches
from balancegan.gan import build_gan
from balancegan.images import find_format
from balancegan.presets import PRESETS

RESULTS = Path(__file__).parent / "results"


class OurLoop:
    """The "tutorial" preset, a block of steps at a time."""

    def __init__(self, images, labels, image_format, seed):
        self.preset = PRESETS["tutorial"]
        self.data = images, labels, image_format.to_model_range
        self.gan = build_gan(image_format.image_shape, 10, self.preset, seed)
        self.seed = seed

    def run(self, n_steps):
        self.seed += 1
        batches = BalancedBatches(
            *self.data,
            batch_size=self.preset.batch_size // 2,
            n_steps=n_steps,
            class_power=self.preset.class_power,
            seed=self.seed,
        )
        self.gan.fit(batches, verbose=0, shuffle=False)


class Rival:
    """The tutorials' own loop, a block of steps at a time."""

    def __init__(self, images, labels, image_format, seed):
        self.loop = TutorialLoop(image_format.to_model_range(images), labels, seed)

    def run(self, n_steps):
        for _ in range(n_steps):
            self.loop.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="mnist.npz in the layout of Keras")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="a block's")
    options = parser.parse_args()
    with np.load(options.source, allow_pickle=False) as file:
        images, labels = file["x_train"], file["y_train"].astype(int)
    image_format = find_format(images)
    loops = {
        "ours": OurLoop(images, labels, image_format, seed=0),
        "tutorial": Rival(images, labels, image_format, seed=0),
    }
    for loop in loops.values():
        loop.run(options.steps)  # compiles
    rates = {name: [] for name in loops}
    for _ in range(options.rounds):
        for name, loop in loops.items():
            started = time.perf_counter()
            loop.run(options.steps)
            rates[name].append(options.steps / (time.perf_counter() - started))
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
