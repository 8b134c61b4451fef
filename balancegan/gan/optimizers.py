"""Keras's optimizers, without what keeps the graph of a training in memory.

Keras sums gradients over the replicas, even where there is one. That sum has a custom
gradient, which TensorFlow keeps in its registry as long as the process lives, and with
it the graph that it was traced in: megabytes for each network ever trained.
"""

from typing import Any

import keras

import balancegan.gan.replicas as replicas

GradientsAndVariables = list[tuple[Any, Any]]


class _SumsWhatIsShared:
    """Sums gradients over replicas where there are several."""

    def _all_reduce_sum_gradients(
        self, grads_and_vars: GradientsAndVariables
    ) -> GradientsAndVariables:
        if replicas.count() == 1:
            return grads_and_vars
        summed: GradientsAndVariables = super()._all_reduce_sum_gradients(  # type: ignore[misc]
            grads_and_vars
        )
        return summed


class Adam(_SumsWhatIsShared, keras.optimizers.Adam):
    """Adam (Kingma and Ba 2014, https://arxiv.org/abs/1412.6980)."""


class AdamW(_SumsWhatIsShared, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter, https://arxiv.org/abs/1711.05101)."""
