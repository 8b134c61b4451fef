"""Saved models: a directory of weights and one JSON file of facts.

Nothing in it is executed: the network is rebuilt by our own code from the facts,
then given its weights.
"""

import json
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from balancegan.attributes import Attributes
from balancegan.balance import plain
from balancegan.errors import SavedModelError
from balancegan.files import check_folder, check_room, whole_folder
from balancegan.gan.builders import GeneratorBuilder, check_generator
from balancegan.gan.facts import (
    check,
    take_as,
    take_class_names,
    take_counts,
    take_flag,
    take_image_format,
    take_numbers,
    take_range,
)
from balancegan.gan.model import TrainedModel
from balancegan.gan.naming import naming_anew
from balancegan.gan.networks import GENERATORS
from balancegan.gan.presets import Preset
from balancegan.gan.settings import standard_settings
from balancegan.gan.weightsfile import CHECKSUM, check_plain, seal
from balancegan.versions import library_versions

FORMAT_VERSION = 6
FACTS_FILE = "augmenter.json"
GENERATOR_FILE = "generator.weights.h5"
# Of facts that are not as we write them
DAMAGES = (AttributeError, KeyError, TypeError, ValueError, OverflowError, MemoryError)
LARGEST_FACTS = 100_000_000  # bytes
BYTES_A_WEIGHT = 4
BYTES_AROUND = 8_000  # of each array in the file
NUMBERS = {"seed": int, "n_steps": int, "kept_step": int, "seconds": float}
LARGEST_SIDE = 8_192  # pixels of the shorter side: the networks grow with it
SMALLEST_SIDE = 4  # of the smallest maps of our generators, or a quarter of the image
LEAST_WIDTH = 64  # channels of the smallest maps; weights of a channel of the image
LIBRARIES = ("balancegan", "tensorflow", "keras", "numpy", "scikit-learn")


@standard_settings()
def save_model(
    path: str | os.PathLike[str],
    model: TrainedModel,
    parameters: dict[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Write a model directory, whole or not at all.

    Parameters
    ----------
    path : path-like
        The directory to make.
    model : TrainedModel
        What to keep.
    parameters : dict
        The augmenter's constructor arguments.
    overwrite : bool
        Replace a saved model that is already there. Never anything else.

    Raises
    ------
    SavedModelError
        If something stands at `path` that may not be replaced, its folder is
        missing, or a parameter cannot be kept as JSON.
    OSError
        If there is no room for it on the disk.
    """
    path = Path(path)
    check_destination(path, overwrite=overwrite)
    facts = {
        "format": "balancegan",
        "format_version": FORMAT_VERSION,
        "library_versions": library_versions(LIBRARIES),
        "parameters": _parameters_to_json(parameters),
        "preset": asdict(model.preset),
        "image_format": asdict(model.image_format),
        "attributes": _attributes_to_json(model.attributes),
        "class_names": model.class_names,
        "counts": model.counts.ravel().tolist(),
        "own_generator": model.own_generator,
        "seed": model.seed,
        "n_steps": model.n_steps,
        "kept_step": model.kept_step,
        "seconds": model.seconds,
        "file_range": model.file_range,
        "has_wide_grey": model.has_wide_grey,
    }
    _check_room(path, model)
    with whole_folder(path) as folder:
        model.check_generates().save_weights(folder / GENERATOR_FILE)
        facts[CHECKSUM] = seal(facts, folder / GENERATOR_FILE)
        text = json.dumps(facts, indent=2, ensure_ascii=False)
        (folder / FACTS_FILE).write_text(text + "\n", encoding="utf-8")


def _check_room(path: Path, model: TrainedModel) -> None:
    """Refuse what the disk has no room for: HDF5 ends badly when that runs out."""
    weights = model.check_generates().weights
    n_bytes = sum(BYTES_A_WEIGHT * math.prod(array.shape) for array in weights)
    reason = check_room(path, n_bytes + BYTES_AROUND * len(weights))
    if reason is not None:
        raise OSError(f"{path} cannot be written: {reason}.")


def check_destination(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise SavedModelError unless a model may be written to `path`."""
    path = Path(path)
    reason = check_folder(path)
    if reason is not None:
        raise SavedModelError(f"{path} cannot be written: {reason}.")
    if not path.exists():
        return
    if not overwrite:
        raise SavedModelError(
            f"{path} exists already. Choose another path, or allow it to be "
            "overwritten."
        )
    if not (path / FACTS_FILE).is_file():
        raise SavedModelError(
            f"Only a saved model may be overwritten by one. Received: {path}, which "
            f"holds no {FACTS_FILE}."
        )


@standard_settings()
def load_model(
    path: str | os.PathLike[str], generator: GeneratorBuilder | None = None
) -> tuple[TrainedModel, dict[str, Any]]:
    """Read a model directory.

    Parameters
    ----------
    path : path-like
        The directory.
    generator : callable or None, default=None
        The builder of the generator, where it is the user's own.

    Returns
    -------
    model : TrainedModel
    parameters : dict
        The augmenter's constructor arguments.

    Raises
    ------
    SavedModelError
        If there is no model, it is damaged or of another format version, or
        `generator` is missing or not wanted.
    """
    facts = _load_facts(Path(path))
    if bool(facts.get("own_generator")) != (generator is not None):
        raise SavedModelError(
            f"The generator in {path} was built by a function of your own, which is "
            "not saved. Give it again: load(path, generator=...)."
            if generator is None
            else f"The generator in {path} was built by balancegan. "
            f"Received: generator={generator!r}. Leave it out."
        )
    known, parameters = _take_facts(Path(path), facts, is_ours=generator is None)
    _check_whole(Path(path), facts)
    preset, image_format = known["preset"], known["image_format"]
    attributes = known["attributes"]
    build_generator = generator or naming_anew()(GENERATORS[preset.networks])
    network = build_generator(
        image_format.image_shape,
        attributes.sizes if generator is None else attributes.n_classes,
        preset.latent_dim,
        known["seed"],
    )
    model = TrainedModel(
        generator=check_generator(network, image_format.image_shape, preset.latent_dim),
        own_generator=generator is not None,
        **known,
    )
    _load_weights(Path(path), model)
    return model, parameters


def _take_facts(
    path: Path, facts: Mapping[str, Any], *, is_ours: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the file says of a model, and the augmenter's parameters."""
    try:
        attributes = _attributes_from_json(facts["attributes"])
        recipe = dict(facts["preset"])
        recipe.pop("is_brief", None)  # of earlier versions
        preset = take_as(Preset, recipe)
        if preset.networks not in GENERATORS:
            raise ValueError(f"networks are {preset.networks!r}")
        image_format = take_image_format(facts["image_format"])
        if is_ours:
            _check_sizes(path, preset, image_format.image_shape)
        known = {
            "attributes": attributes,
            "preset": preset,
            "image_format": image_format,
            **take_numbers(facts, NUMBERS),
            "class_names": take_class_names(facts["class_names"], attributes),
            "counts": take_counts(facts["counts"], attributes),
            "file_range": take_range(facts.get("file_range")),
            "has_wide_grey": take_flag(facts, "has_wide_grey"),
        }
        return known, _parameters_from_json(facts["parameters"])
    except SavedModelError:
        raise
    except DAMAGES as error:
        raise SavedModelError(f"{path / FACTS_FILE} is damaged: {error!r}") from error


def _attributes_to_json(attributes: Attributes) -> list[dict[str, Any]]:
    return [
        {"name": name, "dtype": str(values.dtype), "values": values.tolist()}
        for name, values in zip(attributes.names, attributes.values, strict=True)
    ]


def _attributes_from_json(facts: list[dict[str, Any]]) -> Attributes:
    for one in facts:
        check("name", one["name"], str)
        check("values", one["values"], list)
    values = [np.array(one["values"], dtype=one["dtype"]) for one in facts]
    attributes = Attributes(tuple(one["name"] for one in facts), tuple(values))
    if not facts or any(len(np.unique(v)) != len(v) or v.ndim != 1 for v in values):
        raise ValueError("attributes without values, or with one twice")
    return attributes


def _parameters_to_json(parameters: dict[str, Any]) -> dict[str, Any]:
    """Keep a mapping as pairs, for the keys of JSON are strings."""
    strategy = parameters["sampling_strategy"]
    if isinstance(strategy, Mapping):
        strategy = [[_to_json(key), int(n)] for key, n in strategy.items()]
    elif callable(strategy):
        raise SavedModelError(
            "A function cannot be saved. Received: sampling_strategy="
            f"{strategy!r}. Set it to a name, a number or a dict, and give the "
            "function to resample."
        )
    # What was drawn from a RandomState is in the model's seed
    random_state = parameters["random_state"]
    if isinstance(random_state, np.random.RandomState):
        random_state = None
    own = {"sampling_strategy": strategy, "random_state": random_state}
    # What concerns training alone, and is of this program or this machine alone
    own |= dict.fromkeys(("generator", "discriminator", "log_dir"))
    own["strategy"] = "auto"
    return {name: _to_json(value) for name, value in (parameters | own).items()}


def _to_json(value: Any) -> Any:
    """Return a value, or those of a tuple or list, without types of numpy."""
    is_several = isinstance(value, tuple | list)
    return [plain(one) for one in value] if is_several else plain(value)


def _parameters_from_json(parameters: dict[str, Any]) -> dict[str, Any]:
    parameters = dict(parameters)  # the facts stay as they were sealed
    if "move_copies" in parameters:  # of earlier versions
        moves = "shift" if parameters.pop("move_copies") else "none"
        parameters["moves"] = moves
    strategy = parameters["sampling_strategy"]
    if isinstance(strategy, list):
        strategy = {
            tuple(label) if isinstance(label, list) else label: n
            for label, n in strategy
        }
    own: dict[str, Any] = {"sampling_strategy": strategy}
    for name in ("image_shape", "value_range"):
        own[name] = parameters[name] and tuple(parameters[name])
    return parameters | own


def _load_facts(path: Path) -> dict[str, Any]:
    file = path / FACTS_FILE
    try:
        if file.stat().st_size > LARGEST_FACTS:
            raise SavedModelError(
                f"{file} has {file.stat().st_size:,} bytes, more than any model needs."
            )
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SavedModelError(
            f"A saved model is a directory with {FACTS_FILE} in it. Received: {path}, "
            "where there is none."
        ) from None
    except SavedModelError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise SavedModelError(f"{file} cannot be read: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != "balancegan":
        raise SavedModelError(f"{file} does not describe a model of balancegan.")
    if facts.get("format_version") != FORMAT_VERSION:
        raise SavedModelError(
            f"This version of balancegan reads models of format {FORMAT_VERSION}. "
            f"Received: format {facts.get('format_version')!r} in {file}. Train the "
            "model again, or use the version named in its library_versions."
        )
    return facts


def _check_sizes(path: Path, preset: Preset, image_shape: tuple[int, ...]) -> None:
    """Refuse, before it is built, a network that the file of weights cannot be of."""
    file = path / GENERATOR_FILE
    n_bytes = file.stat().st_size if file.is_file() else 0
    height, width, channels = image_shape
    latent_dim = preset.latent_dim
    if min(latent_dim, *image_shape) < 1 or min(height, width) > LARGEST_SIDE:
        raise ValueError(f"sizes {latent_dim} and {image_shape}")
    scale = 4.0  # from the smallest maps to the image, at most
    if preset.networks != "tutorial":
        scale = max(scale, min(height, width) / SMALLEST_SIDE)
    smallest_map = math.ceil(height / scale) * math.ceil(width / scale)
    for least in (latent_dim * smallest_map * LEAST_WIDTH, channels * LEAST_WIDTH):
        if BYTES_A_WEIGHT * least > n_bytes:
            raise SavedModelError(
                f"A generator of images of {height}x{width}x{channels} from "
                f"{latent_dim} numbers has {least:,} weights or more. Received: "
                f"{file} of {n_bytes:,} bytes, which do not fit."
            )


def _check_whole(path: Path, facts: Mapping[str, Any]) -> None:
    """Refuse files that are damaged, of two models, or refer to others."""
    weights = path / GENERATOR_FILE
    try:
        is_sealed = seal(facts, weights) == facts.get(CHECKSUM)
        if is_sealed:  # else what reads the file would meet the damage
            check_plain(weights)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise SavedModelError(
            f"{weights} is no file of weights: {_first_line(error)}"
        ) from error
    if not is_sealed:
        raise SavedModelError(
            f"{FACTS_FILE} and {GENERATOR_FILE} in {path} do not fit: one is damaged, "
            "was changed, or is of another model. Copy both again from where they are "
            "whole, or train the model again."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _load_weights(path: Path, model: TrainedModel) -> None:
    file = path / GENERATOR_FILE
    try:
        with warnings.catch_warnings():
            # Keras warns of weights that it finds no place for, and goes on
            warnings.simplefilter("error", UserWarning)
            model.check_generates().load_weights(file)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        raise SavedModelError(
            f"The weights in {file} do not fit the model that {FACTS_FILE} "
            f"describes: {_first_line(error)}"
        ) from error
