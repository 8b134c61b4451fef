"""Adversarial losses, pure functions of logits, and the gradient penalty.

A loss takes the discriminator's logits of equally many real and generated images, both
of shape (batch,), and returns ``(discriminator_loss, generator_loss)``, unreduced and
of the same shape.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import ops

Tensor = Any
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def binary_cross_entropy(
    real_logits: Tensor, fake_logits: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the non-saturating losses of the first GAN.

    Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, equation 1 with the
    generator's objective of section 3. The sigmoid is inside the loss.
    """
    discriminator_loss = ops.softplus(-real_logits) + ops.softplus(fake_logits)
    generator_loss = ops.softplus(-fake_logits)
    return discriminator_loss, generator_loss


def relativistic(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the losses of the relativistic pairing GAN.

    Each real image is compared with one generated image of its class.
    Jolicoeur-Martineau 2018, https://arxiv.org/abs/1807.00734; with zero-centred
    penalties: Huang et al. 2024 (R3GAN), https://arxiv.org/abs/2501.05441, eq. 2.
    """
    discriminator_loss = ops.softplus(fake_logits - real_logits)
    generator_loss = ops.softplus(real_logits - fake_logits)
    return discriminator_loss, generator_loss


LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": binary_cross_entropy,
    "relativistic": relativistic,
}


def gradient_penalty(critic: Callable, images: Tensor, classes: Tensor) -> Tensor:
    """Return half the squared norm (n,) of the critic's gradient at each image.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9 without its
    weight: R1 at real images, R2 at generated ones. The critic turns ((images, class
    indices), training=True) into logits of shape (n,).
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = critic((images, classes), training=True)
    gradients = tape.gradient(logits, images)
    return ops.sum(ops.square(gradients), axis=(1, 2, 3)) / 2
