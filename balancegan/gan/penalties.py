"""What is added to the discriminator's loss so that it stays smooth."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import ops

Tensor = Any


def gradient_penalty(critic: Callable, images: Tensor, classes: Tensor) -> Tensor:
    """Return half the squared norm of the critic's gradient at each image.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9 without its
    weight: R1 at real images, R2 at generated ones.

    Parameters
    ----------
    critic : callable
        ((images, class indices), training=True) to logits of shape (n,).
    images : tensor of shape (n, height, width, channels)
        Where the gradient is taken.
    classes : tensor of shape (n,)
        Their classes.

    Returns
    -------
    penalties : tensor of shape (n,)
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = critic((images, classes), training=True)
    gradients = tape.gradient(logits, images)
    return ops.sum(ops.square(gradients), axis=(1, 2, 3)) / 2
