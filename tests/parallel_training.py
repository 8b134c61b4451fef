"""A training for other processes to run: alone, on two devices, or as one of several.

    python -m tests.parallel_training HOW OUT STEPS [checkpoint folder]

HOW is "alone", "devices" or "workers" (with TF_CONFIG). In double precision and at a
low rate: a GAN is chaotic, and at the usual rate differences double with every step or
two, those of rounding too. Writes losses and weights to OUT.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from balancegan.gan import settings

N_DEVICES = 2


def main(how, out, steps, checkpoint_dir=None):
    settings.PROCESS_SETTINGS["floatx"] = (
        keras.config.floatx,
        keras.config.set_floatx,
        "float64",
    )
    strategy = {"alone": "auto", "workers": "multi-worker"}.get(how)
    if how == "devices":
        (cpu,) = tf.config.list_physical_devices("CPU")
        halves = [tf.config.LogicalDeviceConfiguration()] * N_DEVICES
        tf.config.set_logical_device_configuration(cpu, halves)
        names = [f"CPU:{i}" for i in range(N_DEVICES)]
        strategy = tf.distribute.MirroredStrategy(names)

    from balancegan.gan import callbacks, judge
    from tests.augmenters import build_augmenter

    judge.JUDGE_STEPS = 20
    callbacks.LOSS_INTERVAL = callbacks.FIRST_EVALUATION = 10
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 25, 9])
    X = rng.integers(0, 100, size=(len(y), 8, 8), dtype=np.uint8)
    X[np.arange(len(y)), 2 * y, 3:] += 150
    augmenter = build_augmenter(
        strategy=strategy,
        steps=int(steps),
        batch_size=16,
        learning_rate=1e-4,
        random_state=0,
        verbose=0,
    )
    augmenter.fit(X, y, checkpoint_dir=checkpoint_dir)
    weights = augmenter.model_.generator.get_weights()
    np.savez(
        out,
        *weights,
        losses=augmenter.report_.history.filter(like="_loss").dropna(),
        distances=augmenter.report_.history["distance"].dropna(),
        images=augmenter.sample(2, 5),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
