"""Names of layers that do not depend on what else has been built in the process.

Keras numbers the layers of a process: the tenth convolution is "conv2d_9", whoever made
it. TensorFlow goes by such names when it puts the sums of a compiled step in order, so
that a network would learn other bits, and make other images, in a process in which
something was built before. Builders of users count as they do: what they build may have
layers from elsewhere in it, and no two of a network may have one name.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from keras.src.backend.common import global_state

COUNTERS = "object_name_uids"  # of Keras, by kind; nothing public begins them anew


@contextmanager
def naming_anew() -> Iterator[None]:
    """Count layers from zero while the block runs; then go on as if it had not been.

    Blocks may be within each other. May decorate a function.

    Examples
    --------
    >>> import keras
    >>> with naming_anew():
    ...     keras.layers.Dense(2).name, keras.layers.Dense(2).name
    ('dense', 'dense_1')
    """
    before = global_state.get_global_attribute(COUNTERS)
    global_state.set_global_attribute(COUNTERS, defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(COUNTERS, before)
