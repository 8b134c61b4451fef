"""What the replicas of a training step share: rows, means and moments.

A step is written once, for a whole batch. Where several devices or machines take it
together (``tf.distribute``), each replica of it has an equal part of the rows, and what
speaks of the whole batch goes through here: the mathematics does not depend on how many
replicas there are. With one, all of this returns what it is given.
"""

from typing import Any

import tensorflow as tf
from keras import ops

Tensor = Any


def count() -> int:
    """Return how many replicas take this step together."""
    n: int = tf.distribute.get_strategy().num_replicas_in_sync
    return n


def mean(value: Tensor) -> Tensor:
    """Return the mean over the replicas of what each has found of its rows."""
    if count() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce("MEAN", value)


def gradients(tape: tf.GradientTape, loss: Tensor, variables: list) -> list[Tensor]:
    """Return dense gradients, zeros for variables that the loss does not touch.

    Parameters
    ----------
    tape : tf.GradientTape
        Has recorded how the loss came about.
    loss : tensor of shape ()
        A mean over the rows of this replica.
    variables : list of keras.Variable

    Returns
    -------
    gradients : list of tensor
        Those of the replicas add up to those of the mean over all rows: Keras's
        optimisers take the sum.
    """
    found = tape.gradient(
        loss,
        [v.value for v in variables],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    dense, n = [tf.convert_to_tensor(g) for g in found], count()
    return dense if n == 1 else [g / n for g in dense]


def own_rows(drawn: Tensor, groups: int = 1) -> Tensor:
    """Return this replica's rows of what was drawn alike on all, for a whole batch.

    Parameters
    ----------
    drawn : tensor of shape (n, ...)
        For the rows of all replicas.
    groups : int, default=1
        The batch is so many parts one after the other (real and generated images,
        say), of each of which a replica has its share.

    Returns
    -------
    rows : tensor of shape (n / replicas, ...)
    """
    n = count()
    if n == 1:
        return drawn
    index = tf.distribute.get_replica_context().replica_id_in_sync_group
    trailing = drawn.shape[1:]
    parts = tf.reshape(drawn, (groups, n, -1, *trailing))
    return tf.reshape(parts[:, index], (-1, *trailing))


def moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each channel over the rows of all replicas.

    Parameters
    ----------
    maps : tensor of shape (n, height, width, channels)

    Returns
    -------
    mean, variance : tensor of shape (channels,)
    """
    own_mean, own_variance = ops.moments(maps, axes=(0, 1, 2))
    overall = mean(own_mean)
    # Not as the mean of squares less the square of the mean, which nearly cancel
    return overall, mean(own_variance + ops.square(own_mean - overall))
