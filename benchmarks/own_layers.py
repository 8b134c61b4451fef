"""Time our two layers and Keras's: forward and backward pass, in turn in one run.

    python benchmarks/own_layers.py

128 feature maps of 28x28x128, as in the last block of the tutorial's generator.
Writes results/own_layers.json.
"""

import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from balancegan.gan.layers import FewFilterConv2D, FusedBatchNormalization

RESULTS = Path(__file__).parent / "results"
ROUNDS = 15


def make_pass(layer, x, **options):
    """Return a compiled forward and backward pass."""
    layer.build(x.shape)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(tf.square(layer(x, **options)))
        return tape.gradient(value, [x, *(v.value for v in layer.trainable_variables)])

    return run


def main():
    x = tf.random.stateless_normal((128, 28, 28, 128), seed=(0, 1))
    training = {"training": True}
    pairs = {
        "convolution 7x7 to 1 channel": (
            make_pass(keras.layers.Conv2D(1, 7, padding="same"), x),
            make_pass(FewFilterConv2D(1, 7, padding="same"), x),
        ),
        "batch normalisation": (
            make_pass(keras.layers.BatchNormalization(), x, **training),
            make_pass(FusedBatchNormalization(), x, **training),
        ),
    }
    result = {"command": "python benchmarks/own_layers.py", "milliseconds": {}}
    for name, passes in pairs.items():
        milliseconds = ([], [])
        for turn in range(ROUNDS + 2):
            for run, times in zip(passes, milliseconds, strict=True):
                started = time.perf_counter()
                [gradient.numpy() for gradient in run()]
                if turn >= 2:  # compiled, and warm
                    times.append(1000 * (time.perf_counter() - started))
        keras_ms, own_ms = (np.array(times) for times in milliseconds)
        result["milliseconds"][name] = {
            "keras": round(float(np.median(keras_ms)), 1),
            "ours": round(float(np.median(own_ms)), 1),
            "ratio": {
                "min": round(float((keras_ms / own_ms).min()), 2),
                "median": round(float(np.median(keras_ms / own_ms)), 2),
                "max": round(float((keras_ms / own_ms).max()), 2),
            },
        }
    text = json.dumps(result, indent=2)
    print(text)
    (RESULTS / "own_layers.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
