"""The networks that methods are compared by; :mod:`.classifiers` trains them."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from balancegan.gan.keras_compat import fresh_layer_names
from balancegan.gan.layers import FusedBatchNormalization

LARGEST_SMALL = 64  # pixels of the longer side; larger images are photos
WIDTHS = (32, 64, 128)
PHOTO_WIDTHS = (16, 32, 64, 128)
MOMENTUM = 0.9  # of batch normalisation; 0.99 is too slow for a few hundred steps
SMALLEST_SIDE = 7  # pixels; feature maps are halved down to about it
LARGE_SIDE = 48  # pixels; from this side the first convolution halves too

ClassifierBuilder = Callable[[tuple[int, int, int], int], keras.Model]


@fresh_layer_names()
def build_classifier(
    image_shape: tuple[int, int, int], n_classes: int, seed: int = 0
) -> keras.Model:
    """Build the network for small images: convolutions, then logits."""
    initializer = keras.initializers.GlorotUniform
    seeds = iter(range(seed, seed + 1_000))
    x = image = layers.Input(image_shape, name="image")
    first_stride = 2 if min(image_shape[:2]) >= LARGE_SIDE else 1
    for level in range(len(WIDTHS) + 8):
        x = layers.Conv2D(
            WIDTHS[min(level, len(WIDTHS) - 1)],
            3,
            strides=2 if level else first_stride,
            padding="same",
            use_bias=False,
            kernel_initializer=initializer(seed=next(seeds)),
        )(x)
        x = layers.ReLU()(FusedBatchNormalization(momentum=MOMENTUM)(x))
        if level + 1 >= len(WIDTHS) and min(x.shape[1:3]) <= SMALLEST_SIDE:
            break
    x = layers.Flatten()(x)
    x = layers.Dropout(0.3, seed=next(seeds))(x)
    logits = layers.Dense(n_classes, kernel_initializer=initializer(seed=next(seeds)))
    return keras.Model(image, logits(x), name="classifier")


@fresh_layer_names()
def build_residual_classifier(
    image_shape: tuple[int, int, int], n_classes: int
) -> keras.Model:
    """Build the network for photos: residual blocks that halve the sides, then logits.

    He et al. 2016, https://arxiv.org/abs/1512.03385, section 3.3, with few channels;
    300,000 parameters.
    """
    x = image = layers.Input(image_shape, name="image")
    x = _convolve(x, PHOTO_WIDTHS[0], strides=2)
    for width in PHOTO_WIDTHS[1:]:
        shortcut = layers.AveragePooling2D(2, padding="same")(x)
        shortcut = layers.Conv2D(width, 1)(shortcut)
        x = _convolve(x, width, strides=2)
        x = _convolve(x, width, is_active=False)
        x = layers.ReLU()(layers.Add()([x, shortcut]))
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(n_classes)(x), name="residual")


def _convolve(x: Any, width: int, strides: int = 1, *, is_active: bool = True) -> Any:
    """Return feature maps after a 3x3 convolution and batch normalisation."""
    x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False)(x)
    x = FusedBatchNormalization(momentum=MOMENTUM)(x)
    return layers.ReLU()(x) if is_active else x


def build_linear_classifier(
    image_shape: tuple[int, int, int], n_classes: int
) -> keras.Model:
    """Build a linear model of the pixels."""
    flat = [layers.Input(image_shape), layers.Flatten(), layers.Dense(n_classes)]
    return keras.Sequential(flat, name="linear")


CLASSIFIERS: dict[str, ClassifierBuilder] = {
    "network": build_classifier,
    "residual": build_residual_classifier,
    "linear": build_linear_classifier,
}
DESCRIPTIONS = {
    build_classifier: "convolutional network",
    build_residual_classifier: "residual network",
    build_linear_classifier: "linear model",
}


def are_photos(image_shape: tuple[int, int, int]) -> bool:
    """Return whether images are large enough for the network for photos.

    Examples
    --------
    >>> are_photos((64, 64, 3)), are_photos((48, 112, 3))
    (False, True)
    """
    return max(image_shape[:2]) > LARGEST_SMALL


def default_builder(image_shape: tuple[int, int, int]) -> ClassifierBuilder:
    """Return the builder of the default network for images of a size."""
    return CLASSIFIERS["residual" if are_photos(image_shape) else "network"]
