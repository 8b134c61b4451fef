"""Generators and discriminators, and the checks of users' own.

A generator maps (latent, class index) to an image in [-1, 1]; its discriminator maps
(image, class index) to one logit and mirrors it. Each attribute has its own embedding.
Every layer that draws random numbers gets its own seed, so a network depends on its
arguments alone. Users' builders take the same arguments.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers

from balancegan.attributes import Classes, sizes_of, unravel
from balancegan.errors import DataError
from balancegan.gan.layers import (
    DepthToSpace,
    FewFilterConv2D,
    FusedBatchNormalization,
)
from balancegan.gan.presets import DiscriminatorBuilder, GeneratorBuilder, ImageShape

Tensor = Any

EMBEDDING_DIM = {"tutorial": 50, "projection": 64}
HIDDEN_UNITS = 256  # of the discriminator's last layer
# Channels at the full size of the image, where texture is generated and recognised
FULL_SIZE_WIDTH = {"generator": 32, "discriminator": 16}
# Channels of the generator's maps by the number of doublings, from a map of about
# 7 pixels on the shorter side to the image: 2 for 20 to 39 pixels, 3 for 40 to 79
GENERATOR_WIDTHS = {
    1: (128, 32),
    2: (128, 64, 32),
    3: (128, 64, 32, 16),
    4: (128, 128, 64, 32, 16),
}
LEAK = 0.2


def build_tutorial_generator(
    image_shape: ImageShape, n_classes: Classes, latent_dim: int, seed: int
) -> keras.Model:
    """Build the generator of the MNIST tutorials, for images of any size.

    Each attribute's value becomes one extra channel of the smallest feature map, a
    quarter of the image in height and width; two transposed convolutions enlarge it. At
    28x28x1, 10 classes and a latent of 50 it has 856,760 parameters.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels) of the images.
    n_classes : int or tuple of int
        Number of classes, or of values of each attribute.
    latent_dim : int
        Length of the latent vector.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    generator : keras.Model
        (latents of shape (n, latent_dim), class indices of shape (n,)) to images
        of shape (n, height, width, channels) in [-1, 1].
    """
    seeds = itertools.count(seed)
    height, width, channels = image_shape
    base = (math.ceil(height / 4), math.ceil(width / 4))
    latent, class_index = _generator_inputs(latent_dim)

    # Labels as one channel each of the base, the noise as 128 channels
    labels = _label_channels(class_index, n_classes, base, seeds)
    x = _dense(latent, base[0] * base[1] * 128, seeds)
    x = layers.LeakyReLU(LEAK)(x)
    x = layers.Reshape((*base, 128))(x)

    x = layers.Concatenate()([x, *labels])
    for _ in range(2):
        x = layers.Conv2DTranspose(
            128, 4, strides=2, padding="same", kernel_initializer=_glorot(seeds)
        )(x)
        x = layers.LeakyReLU(LEAK)(x)
        x = FusedBatchNormalization()(x)
    x = _to_image(x, channels, 7, seeds)
    image = _crop(x, (base[0] * 4, base[1] * 4), image_shape)
    return keras.Model([latent, class_index], image, name="generator")


def build_tutorial_discriminator(
    image_shape: ImageShape, n_classes: Classes, seed: int
) -> keras.Model:
    """Build the discriminator of the MNIST tutorials, for images of any size.

    Each attribute's value becomes one extra channel of the image. The sigmoid of the
    tutorials is part of the loss, so this returns logits. At 28x28x1 and 10 classes it
    has 196,773 parameters.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels) of the images.
    n_classes : int or tuple of int
        Number of classes, or of values of each attribute.
    seed : int
        Seed of the initial weights and of the dropout.

    Returns
    -------
    discriminator : keras.Model
        (images, class indices) to logits of shape (n,).
    """
    seeds = itertools.count(seed)
    image, class_index = _discriminator_inputs(image_shape)

    labels = _label_channels(class_index, n_classes, image_shape[:2], seeds)

    x = layers.Concatenate()([image, *labels])
    for _ in range(2):
        x = _conv(x, 128, 3, seeds, strides=2)
        x = layers.LeakyReLU(LEAK)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.4, seed=next(seeds))(x)
    logit = layers.Reshape((), **_exactly())(_dense(x, 1, seeds))
    return keras.Model([image, class_index], logit, name="discriminator")


def build_projection_generator(
    image_shape: ImageShape, n_classes: Classes, latent_dim: int, seed: int
) -> keras.Model:
    """Build a generator with class-conditional batch normalisation.

    3x3 convolutions, each followed by an enlargement of its maps, and one at the size
    of the image. Class and latent enter together: before the first maps and, as a scale
    and a shift of every normalised channel, at each resolution
    (Dumoulin et al. 2017, https://arxiv.org/abs/1610.07629; with the latent, Brock et
    al. 2019, https://arxiv.org/abs/1809.11096, appendix B). Parameters and return
    value are those of :func:`build_tutorial_generator`.
    """
    seeds = itertools.count(seed)
    n_doublings = _n_doublings(image_shape)
    height, width, channels = image_shape
    base = (math.ceil(height / 2**n_doublings), math.ceil(width / 2**n_doublings))
    base_width, *widths = _widths(n_doublings)
    latent, class_index = _generator_inputs(latent_dim)

    # Normalise the embedding to length 1; the latent has about 8. A longer embedding
    # would dominate the latent and make all images of a class alike
    dim = EMBEDDING_DIM["projection"]
    labels = [
        layers.UnitNormalization()(label)
        for label in _embeddings(class_index, n_classes, dim, seeds)
    ]

    condition = layers.Concatenate()([latent, *labels])
    x = _dense(condition, base[0] * base[1] * base_width, seeds)
    x = layers.Reshape((*base, base_width))(x)
    x = _conditional_norm(x, condition)
    for filters in widths:
        x = _conv(x, 4 * filters, 3, seeds)
        x = DepthToSpace()(x)
        x = _conditional_norm(x, condition)
    x = _conv(x, FULL_SIZE_WIDTH["generator"], 3, seeds)
    x = _conditional_norm(x, condition)
    x = _to_image(x, channels, 3, seeds)
    full_size = (base[0] * 2**n_doublings, base[1] * 2**n_doublings)
    image = _crop(x, full_size, image_shape)
    return keras.Model([latent, class_index], image, name="generator")


def build_projection_discriminator(
    image_shape: ImageShape,
    n_classes: Classes,
    seed: int,
    features: keras.Model | None = None,
) -> keras.Model:
    """Build a projection discriminator.

    A 3x3 convolution at the size of the image, then strided 4x4 ones; the class
    enters as the inner product of its embedding with the image's features (Miyato and
    Koyama 2018, https://arxiv.org/abs/1802.05637, equation 3), added up over several
    attributes.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels) of the images.
    n_classes : int or tuple of int
        Number of classes, or of values of each attribute.
    seed : int
        Seed of the initial weights.
    features : keras.Model or None, default=None
        Images to a list of feature maps, by a frozen network. A second logit is
        computed from them and added to that of the pixels (Sauer et al. 2021,
        https://arxiv.org/abs/2111.01007, section 3, where they replace the pixels).
        None: pixels only.

    Returns
    -------
    discriminator : keras.Model
        (images, class indices) to logits of shape (n,).
    """
    seeds = itertools.count(seed)
    image, class_index = _discriminator_inputs(image_shape)
    x = layers.LeakyReLU(LEAK)(_conv(image, FULL_SIZE_WIDTH["discriminator"], 3, seeds))
    for i in range(_n_doublings(image_shape) + 1):
        x = _conv(x, min(32 * 2**i, 128), 4, seeds, strides=2)
        x = layers.LeakyReLU(LEAK)(x)
    x = layers.Flatten()(x)
    logit = _projection_head(x, class_index, n_classes, seeds)
    if features is not None:
        maps = [layers.Flatten()(m) for m in features(image)]
        x = layers.Concatenate()(maps)
        second = _projection_head(x, class_index, n_classes, seeds)
        logit = layers.Add(**_exactly())([logit, second])
    return keras.Model([image, class_index], logit, name="discriminator")


GENERATORS: dict[str, GeneratorBuilder] = {
    "tutorial": build_tutorial_generator,
    "projection": build_projection_generator,
}
DISCRIMINATORS: dict[str, DiscriminatorBuilder] = {
    "tutorial": build_tutorial_discriminator,
    "projection": build_projection_discriminator,
}


def check_generator(
    generator: Any, image_shape: ImageShape, latent_dim: int
) -> keras.Model:
    """Return a user's generator if it can be trained; raise DataError if not."""
    inputs = [
        keras.KerasTensor((None, latent_dim), "float32"),
        keras.KerasTensor((None,), "int32"),
    ]
    takes = f"[latents of shape (n, {latent_dim}), class indices of shape (n,)]"
    _check_network("generator", generator, inputs, takes, (None, *image_shape))
    return generator


def check_discriminator(discriminator: Any, image_shape: ImageShape) -> keras.Model:
    """Return a user's discriminator if it can be trained; raise DataError if not."""
    inputs = [
        keras.KerasTensor((None, *image_shape), "float32"),
        keras.KerasTensor((None,), "int32"),
    ]
    takes = f"[images of shape (n, {', '.join(map(str, image_shape))}), class indices]"
    _check_network("discriminator", discriminator, inputs, takes, (None,))
    return discriminator


def _check_network(
    name: str, network: Any, inputs: list[Tensor], takes: str, shape: tuple
) -> None:
    """Raise DataError unless `network` turns `inputs` into one tensor of `shape`."""
    expected = f"The builder {name}= must return a keras.Model that turns {takes} "
    wanted = f"into {'images' if len(shape) > 1 else 'logits'} of shape "
    wanted += str(shape).replace("None", "n")
    if not isinstance(network, keras.Model):
        raise DataError(f"{expected}{wanted}. Received: {network!r}.")
    try:
        outputs = network(inputs, training=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"{expected}{wanted}. It refuses them: {error}") from error
    received = getattr(outputs, "shape", None)
    if received != shape:
        received = str(received).replace("None", "n")
        raise DataError(f"{expected}{wanted}. Received: {received}.")


def _generator_inputs(latent_dim: int) -> tuple[Tensor, Tensor]:
    return (
        layers.Input((latent_dim,), name="latent"),
        layers.Input((), dtype="int32", name="class_index"),
    )


def _discriminator_inputs(image_shape: ImageShape) -> tuple[Tensor, Tensor]:
    return (
        layers.Input(image_shape, name="image"),
        layers.Input((), dtype="int32", name="class_index"),
    )


def _glorot(seeds: Iterator[int]) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=next(seeds))


def _dense(x: Tensor, units: int, seeds: Iterator[int]) -> Tensor:
    return layers.Dense(units, kernel_initializer=_glorot(seeds))(x)


def _conv(
    x: Tensor, filters: int, size: int, seeds: Iterator[int], *, strides: int = 1
) -> Tensor:
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        kernel_initializer=_glorot(seeds),
    )(x)


def _to_image(x: Tensor, channels: int, size: int, seeds: Iterator[int]) -> Tensor:
    """Turn feature maps into `channels` of an image in [-1, 1]."""
    kind = FewFilterConv2D if channels <= 4 else layers.Conv2D
    return kind(
        channels,
        size,
        padding="same",
        activation="tanh",
        kernel_initializer=_glorot(seeds),
        **_exactly(),
    )(x)


def _embedding(
    class_index: Tensor, n_classes: int, dim: int, seeds: Iterator[int]
) -> Tensor:
    initializer = keras.initializers.RandomUniform(-0.05, 0.05, seed=next(seeds))
    return layers.Embedding(n_classes, dim, embeddings_initializer=initializer)(
        class_index
    )


def _embeddings(
    class_index: Tensor, n_classes: Classes, dim: int, seeds: Iterator[int]
) -> Iterator[Tensor]:
    sizes = sizes_of(n_classes)
    for value_index, size in zip(unravel(class_index, sizes), sizes, strict=True):
        yield _embedding(value_index, size, dim, seeds)


def _label_channels(
    class_index: Tensor, n_classes: Classes, size: tuple[int, int], seeds: Iterator[int]
) -> list[Tensor]:
    """Return each attribute's value as one channel of (height, width)."""
    dim = EMBEDDING_DIM["tutorial"]
    return [
        layers.Reshape((*size, 1))(_dense(label, size[0] * size[1], seeds))
        for label in _embeddings(class_index, n_classes, dim, seeds)
    ]


def _conditional_norm(x: Tensor, condition: Tensor) -> Tensor:
    """Normalise each channel, then scale and shift it by `condition`; activate."""
    # Zero kernels: training starts from one generator that all classes share
    filters = x.shape[-1]
    scale = layers.Dense(filters, kernel_initializer="zeros", bias_initializer="ones")
    shift = layers.Dense(filters, kernel_initializer="zeros")
    x = FusedBatchNormalization(center=False, scale=False)(x)
    x = layers.Multiply()([x, layers.Reshape((1, 1, filters))(scale(condition))])
    x = layers.Add()([x, layers.Reshape((1, 1, filters))(shift(condition))])
    return layers.LeakyReLU(LEAK)(x)


def _crop(x: Tensor, size: tuple[int, int], image_shape: ImageShape) -> Tensor:
    """Crop maps of `size` to the (height, width) of `image_shape`."""
    excess = [have - want for have, want in zip(size, image_shape, strict=False)]
    if not any(excess):
        return x
    edges = [(e // 2, e - e // 2) for e in excess]
    return layers.Cropping2D(edges, **_exactly())(x)


def _projection_head(
    x: Tensor, class_index: Tensor, n_classes: Classes, seeds: Iterator[int]
) -> Tensor:
    """Return a logit per row: one term for all classes, one for each attribute."""
    features = layers.LeakyReLU(LEAK)(_dense(x, HIDDEN_UNITS, seeds))
    projections = [
        layers.Dot(axes=1)([features, label])
        for label in _embeddings(class_index, n_classes, HIDDEN_UNITS, seeds)
    ]
    logit = layers.Add(**_exactly())([_dense(features, 1, seeds), *projections])
    return layers.Reshape((), **_exactly())(logit)


def _exactly() -> dict[str, str]:
    """Return the arguments of a layer that computes in full precision in any case."""
    return {"dtype": keras.config.floatx()}


def _n_doublings(image_shape: ImageShape) -> int:
    """Return how often a map of about 7 pixels doubles up to the image's size."""
    return max(1, round(math.log2(min(image_shape[:2]) / 7)))


def _widths(n_doublings: int) -> tuple[int, ...]:
    """Return the channels of the generator's maps, from the smallest to the image."""
    known = GENERATOR_WIDTHS.get(n_doublings)
    return known or (*[128] * (n_doublings - 3), 64, 32, 16, 16)
