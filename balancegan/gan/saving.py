"""Saved models: a folder with one JSON file of facts and one file of weights.

Nothing in it is executed: our own code rebuilds the network from the facts and loads
the weights. Damaged and foreign files raise SavedModelError, whatever they contain.
"""

import hashlib
import json
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from balancegan.balance import plain
from balancegan.errors import SavedModelError
from balancegan.files import check_folder, check_room, whole_folder
from balancegan.gan.keras_compat import fresh_layer_names
from balancegan.gan.model import TrainedModel
from balancegan.gan.networks import GENERATORS, check_generator
from balancegan.gan.presets import GeneratorBuilder, Preset
from balancegan.gan.saved_facts import FACT_ERRORS, read_fields
from balancegan.gan.settings import standard_settings
from balancegan.versions import library_versions

FORMAT_VERSION = 7
FACTS_FILE = "augmenter.json"
GENERATOR_FILE = "generator.weights.h5"
CHECKSUM = "checksum"  # the fact that holds the result of `checksum`
LIBRARIES = ("balancegan", "tensorflow", "keras", "numpy", "scikit-learn")
LARGEST_FACTS = 100_000_000  # bytes
BYTES_A_WEIGHT = 4
BYTES_AROUND = 8_000  # of each array in the file
LARGEST_SIDE = 8_192  # pixels of the shorter side: the networks grow with it
SMALLEST_SIDE = 4  # of the smallest maps of our generators, or a quarter of the image
LEAST_WIDTH = 64  # channels of the smallest maps; weights of a channel of the image


@standard_settings()
def save_model(
    path: str | os.PathLike[str],
    model: TrainedModel,
    parameters: dict[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Write a model folder, whole or not at all.

    `parameters` are the augmenter's constructor arguments. With `overwrite`, a saved
    model at `path` is replaced, never anything else.

    Raises
    ------
    SavedModelError
        If `path` exists and may not be replaced, its parent folder is missing, or a
        parameter cannot be saved as JSON.
    OSError
        If there is not enough room on the disk.
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
        "attributes": [
            {"name": name, "dtype": str(values.dtype), "values": values.tolist()}
            for name, values in zip(
                model.attributes.names, model.attributes.values, strict=True
            )
        ],
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
    generator = model.check_generates()
    # HDF5 fails badly when the disk is full, so ask first
    n_bytes = sum(BYTES_A_WEIGHT * math.prod(w.shape) for w in generator.weights)
    reason = check_room(path, n_bytes + BYTES_AROUND * len(generator.weights))
    if reason is not None:
        raise OSError(f"{path} cannot be written: {reason}.")
    with whole_folder(path) as folder:
        generator.save_weights(folder / GENERATOR_FILE)
        facts[CHECKSUM] = checksum(facts, folder / GENERATOR_FILE)
        text = json.dumps(facts, indent=2, ensure_ascii=False)
        (folder / FACTS_FILE).write_text(text + "\n", encoding="utf-8")


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
    """Read a model folder; return the model and the augmenter's constructor arguments.

    `generator` is the builder of the generator, if it is the user's own.

    Raises
    ------
    SavedModelError
        If there is no model, it is damaged or of another format version, or
        `generator` is missing or superfluous.
    """
    path = Path(path)
    facts = _read_facts(path / FACTS_FILE)
    if bool(facts.get("own_generator")) != (generator is not None):
        raise SavedModelError(
            f"The generator in {path} was built by a function of your own, which is "
            "not saved. Pass it again: load(path, generator=...)."
            if generator is None
            else f"The generator in {path} was built by balancegan. "
            f"Received: generator={generator!r}. Leave it out."
        )
    try:
        fields = read_fields(facts)
        parameters = _parameters_from_json(facts["parameters"])
        shape, preset = fields["image_format"].image_shape, fields["preset"]
        if generator is None:
            _check_sizes(path / GENERATOR_FILE, preset, shape)
    except FACT_ERRORS as error:
        if isinstance(error, SavedModelError):
            raise
        raise SavedModelError(f"{path / FACTS_FILE} is damaged: {error!r}") from error
    _check_weights(path, facts)
    attributes = fields["attributes"]
    build_generator = generator or fresh_layer_names()(GENERATORS[preset.networks])
    network = build_generator(
        shape,
        attributes.sizes if generator is None else attributes.n_classes,
        preset.latent_dim,
        fields["seed"],
    )
    network = check_generator(network, shape, preset.latent_dim)
    _load_weights(path / GENERATOR_FILE, network)
    own = generator is not None
    return TrainedModel(generator=network, own_generator=own, **fields), parameters


def _read_facts(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > LARGEST_FACTS:
            raise SavedModelError(
                f"{file} has {file.stat().st_size:,} bytes, more than any model needs."
            )
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SavedModelError(
            f"A saved model is a folder that holds {FACTS_FILE}. Received: "
            f"{file.parent}, which does not."
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


def _parameters_to_json(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters for JSON; mappings as pairs, since its keys are text."""
    strategy = parameters["sampling_strategy"]
    if isinstance(strategy, Mapping):
        strategy = [[_to_json(key), int(n)] for key, n in strategy.items()]
    elif callable(strategy):
        raise SavedModelError(
            "A function cannot be saved. Received: sampling_strategy="
            f"{strategy!r}. Set it to a name, a number or a dict, and pass the "
            "function to resample."
        )
    # What was drawn from a RandomState is in the model's seed
    random_state = parameters["random_state"]
    if isinstance(random_state, np.random.RandomState):
        random_state = None
    own = {"sampling_strategy": strategy, "random_state": random_state}
    own["log_dir"] = None  # of this machine
    return {name: _to_json(value) for name, value in (parameters | own).items()}


def _to_json(value: Any) -> Any:
    """Return a value, or the values of a tuple or list, without numpy types."""
    is_several = isinstance(value, tuple | list)
    return [plain(one) for one in value] if is_several else plain(value)


def _parameters_from_json(parameters: dict[str, Any]) -> dict[str, Any]:
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


def _check_sizes(file: Path, preset: Preset, image_shape: tuple[int, ...]) -> None:
    """Refuse a network that the weights cannot belong to, before it is built."""
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


def checksum(facts: Mapping[str, Any], weights: Path) -> str:
    """Return a checksum of facts, except their own checksum, and a weights file.

    It reveals damage and files that do not belong together, but not tampering.
    """
    own = {name: value for name, value in facts.items() if name != CHECKSUM}
    digest = hashlib.sha256(json.dumps(own, sort_keys=True).encode())
    with weights.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _check_weights(path: Path, facts: Mapping[str, Any]) -> None:
    """Refuse files that are damaged, of two models, or refer to other files."""
    weights = path / GENERATOR_FILE
    try:
        fits = checksum(facts, weights) == facts.get(CHECKSUM)
        if fits:
            check_weights_file(weights)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise SavedModelError(
            f"{weights} is not a weights file: {_first_line(error)}"
        ) from error
    if not fits:
        raise SavedModelError(
            f"{FACTS_FILE} and {GENERATOR_FILE} in {path} do not fit: one is damaged, "
            "was changed, or is of another model. Copy both again, or train the model "
            "again."
        )


def check_weights_file(path: Path) -> None:
    """Refuse HDF5 that refers to other files or claims more bytes than it holds.

    Raises ValueError, or OSError if it is not an HDF5 file.
    """
    with h5py.File(path, "r") as file:
        # A visitor that returns a value ends the visit
        reason = file.visititems_links(_refuse_link) or file.visititems(_refuse_array)
    if reason is not None:
        raise ValueError(reason)


def _refuse_link(name: str, link: object) -> str | None:
    is_inside = isinstance(link, h5py.HardLink)
    return None if is_inside else f"{name} is a link to somewhere else"


def _refuse_array(name: str, found: object) -> str | None:
    if not isinstance(found, h5py.Dataset):
        return None
    if found.external or found.is_virtual:
        return f"{name} is in another file"
    if found.chunks is not None or found.id.get_storage_size() != found.nbytes:
        return f"{name} does not hold the {found.nbytes:,} bytes that it claims"
    return None


def _load_weights(file: Path, network: Any) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns of weights that do not fit
            warnings.simplefilter("error", UserWarning)
            network.load_weights(file)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        raise SavedModelError(
            f"The weights in {file} do not fit the model that {FACTS_FILE} "
            f"describes: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
