"""How exactly networks compute: in float32, or for the most part in bfloat16.

Weights, losses, logits, images and moments are float32 in any case.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from typing import Literal

Precision = Literal["float32", "mixed_bfloat16"]
FLOAT32: Precision = "float32"
BFLOAT16: Precision = "mixed_bfloat16"
AUTO = "auto"
# Of drivers by NVIDIA, of Windows's Linux, by AMD
DEVICES = ("/dev/nvidia[0-9]*", "/dev/dxg", "/dev/kfd")
LEAST_CAPABILITY = (8, 0)  # of GPUs by NVIDIA: Ampere, the first that has bfloat16


def choose_precision(asked: str) -> Precision:
    """Return what "auto" is on this machine, and anything else as it is.

    "auto" is bfloat16 where all GPUs have units for it, or there is a TPU: twice as
    many products a second and half of the memory, in hardware. CPUs mostly have none.
    """
    if asked == BFLOAT16 or (asked == AUTO and _has_bfloat16()):
        return BFLOAT16
    return FLOAT32


def _has_bfloat16() -> bool:
    import tensorflow as tf

    if tf.config.list_physical_devices("TPU"):
        return True
    found = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return bool(found) and min(found) >= LEAST_CAPABILITY


def may_have_gpu() -> bool:
    """Return whether the system has a device that may be a GPU; asked in no time."""
    return any(glob(pattern) for pattern in DEVICES)


def has_gpu() -> bool:
    """Return whether TensorFlow has a GPU; imports it only where there may be one."""
    if not may_have_gpu():
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Build layers of this precision while the block runs. May decorate a function.

    Float32 is what ``settings.standard_settings`` sets, which is left as it is.

    Examples
    --------
    >>> import keras
    >>> with computing_in("mixed_bfloat16"):
    ...     layer = keras.layers.Dense(2)
    >>> layer.compute_dtype, layer.variable_dtype, keras.layers.Dense(2).compute_dtype
    ('bfloat16', 'float32', 'float32')
    """
    import keras

    before = keras.config.dtype_policy()
    if precision != FLOAT32:
        keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
