"""What a GAN is trained by: a preset, the user's settings, and whether it is needed.

Where real images show which pixels are whose, images of rare combinations are put
together of them (``synthesis.recombination``), and none of the GAN is given out; nor is
any where its share is to be none, and classes are filled up with copies.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from balancegan.attributes import Attributes, Labels
from balancegan.gan.precision import choose_precision
from balancegan.gan.presets import Preset, choose_preset
from balancegan.gan.regions import Regions
from balancegan.gan.workers import Workers
from balancegan.images import ImageFormat
from balancegan.progress import show_progress

SETTINGS = ("steps", "max_minutes", "batch_size", "learning_rate")


def choose_recipe(
    parameters: Mapping[str, Any],
    images: np.ndarray,
    labels: Labels,
    image_format: ImageFormat,
    seed: int,
    workers: Workers | None = None,
) -> Preset:
    """Return what training goes by: a tenth of the steps where none needs the GAN.

    Whoever says how long, or wants the GAN's images only, gets what was said.

    Parameters
    ----------
    parameters : mapping
        Of :class:`balancegan.augmenter.ConditionalGANAugmenter`.
    images : ndarray of shape (n, ...)
        What is trained on, in the user's layout and range.
    labels : Labels
        Their labels.
    image_format : ImageFormat
        What layout and range that is.
    seed : int
        Of the training.
    workers : Workers or None, default=None
        Who trains together: all take the chief's word. None: this process alone.
    """
    return recipe_for(
        parameters,
        len(images),
        lambda: _is_needed(parameters, images, labels, image_format, seed, workers),
    )


def recipe_for(
    parameters: Mapping[str, Any], n_images: int, is_needed: Callable[[], bool]
) -> Preset:
    """Return what training goes by where it is known if the GAN is needed.

    Parameters
    ----------
    parameters : mapping
        Of :class:`balancegan.augmenter.ConditionalGANAugmenter`.
    n_images : int
        How many images are trained on.
    is_needed : callable
        Whether it is; only asked where it makes a difference.
    """
    preset = choose_preset(
        parameters["preset"],
        precision=choose_precision(parameters["precision"]),
        **{name: parameters[name] for name in SETTINGS},
    )
    says_how_long = (parameters["steps"], parameters["max_minutes"]) != (None, None)
    if says_how_long or parameters["gan_only"] or is_needed():
        return preset
    return preset.briefly(n_images)


def _is_needed(
    parameters: Mapping[str, Any],
    images: np.ndarray,
    labels: Labels,
    image_format: ImageFormat,
    seed: int,
    workers: Workers | None,
) -> bool:
    if len(labels.columns) == 1:
        return bool(parameters["gan_share"] > 0)
    # Without a share, too: combinations that no image has cannot be copied
    attributes, class_indices = Attributes.learn(labels)
    shown = images, class_indices, image_format.to_model_range, attributes.sizes
    with show_progress("Finding regions", visible=bool(parameters.get("verbose"))):
        regions = Regions.of_real(*shown, seed)
    are_apart = np.array([regions.are_apart], dtype="int32")
    return not (workers or Workers()).from_chief(are_apart)[0]
