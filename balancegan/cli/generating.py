"""Write images of a saved model to files, with their lineage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from balancegan.data.arraywriting import write_arrays
from balancegan.data.filewriting import encode_image
from balancegan.data.lineage import (
    MASK_KEY,
    MODEL_KEY,
    NUMBER_KEY,
    Lineage,
    read_lineage,
    safe_name,
    whole_range,
)
from balancegan.data.records import WRITERS, Record, write_records
from balancegan.errors import DataError
from balancegan.files import whole_file, whole_folder
from balancegan.gan.model import TrainedModel, own_share
from balancegan.pictures import tile_grid, write_png
from balancegan.quality.screening import GAN
from balancegan.samplers.augmenter import ConditionalGANAugmenter

SHOWN_COLUMNS = 10  # in a picture


def generate_files(
    model: Path,
    wanted: Mapping[str, str],
    numbers: Sequence[int],
    out: Path,
    shard: tuple[int, int] = (1, 1),
    *,
    truncation: float | None = None,
) -> dict[str, Any]:
    """Write images of one class or combination of attributes.

    Parameters
    ----------
    model : Path
        The saved model.
    wanted : mapping of str to str
        Values of attributes; the class under "", the first attribute.
    numbers : sequence of int
        Which images: image k of a class is always the same.
    out : Path
        By its suffix: .npz for arrays X, y, further attributes, is_synthetic and
        lineage; .png for one image, or all in one picture; .parquet, .tfrecord or .tar
        for records (see :mod:`balancegan.data.records`); else a folder of PNG files.
    shard : tuple of int, default=(1, 1)
        Which share of these images to generate, from 1, and of how many.
    truncation : float or None, default=None
        Limits latents to this many standard deviations. None: no limit.

    Returns
    -------
    facts : dict
        For JSON: what was generated, and the files written; for a folder, how many
        other files it holds ("kept").
    """
    augmenter = ConditionalGANAugmenter.load(model)
    trained = replace(augmenter.model_, truncation=truncation)
    first = trained.attributes.names[0]
    if {"", first} <= wanted.keys():
        raise DataError(f"The class is the attribute {first}. Received: both.")
    asked = trained.find_texts({name or first: t for name, t in wanted.items()})
    own = own_share(np.asarray(numbers), shard[0] - 1, shard[1])
    is_grid = out.suffix == ".png" and len(own) > 1
    keeps_range = trained.has_wide_grey and not (is_grid or out.suffix == ".npz")
    facts = {
        "name": ", ".join(wanted.values()),
        "asked": asked,
        "training_images": augmenter.count_training_images(asked),
        "numbers": own.tolist(),
        "file_range": None if keeps_range else trained.file_range,
    }
    if out.suffix in (".npz", ".png"):
        files = _write_arrays(trained, asked, own, out)
    elif out.suffix in WRITERS:
        write_records(out, _records(trained, asked, own))
        files = [out]
    else:
        files = _write_folder(out, _records(trained, asked, own))
        facts["kept"] = len(set(out.iterdir()) - set(files))
    return {**facts, "files": [str(file) for file in files]}


def _write_arrays(
    model: TrainedModel, asked: Mapping[str, Any], numbers: np.ndarray, out: Path
) -> list[Path]:
    """Write arrays or one picture."""
    images, class_indices = make_numbered(model, asked, numbers)
    if out.suffix == ".npz":
        write_arrays(out, _name_arrays(model, images, class_indices, numbers))
        return [out]
    pixels = model.image_format.to_pixels(images)
    if not len(pixels):
        raise DataError(f"{out} cannot be written: this shard has no images.")
    if len(pixels) == 1:
        (record,) = _records(model, asked, numbers)
        return [_write_file(out, record.png)]
    starts = range(0, len(pixels), SHOWN_COLUMNS)
    write_png(out, tile_grid([pixels[i : i + SHOWN_COLUMNS] for i in starts]))
    return [out]


def _write_folder(out: Path, records: Iterator[Record]) -> list[Path]:
    """Write a PNG file per image; a new folder appears only when it is complete."""
    if out.is_dir():
        return [_write_file(out / f"{r.name}.png", r.png) for r in records]
    names = []
    with whole_folder(out) as folder:
        for record in records:
            names.append(f"{record.name}.png")
            (folder / names[-1]).write_bytes(record.png)
    return [out / name for name in names]


def _write_file(path: Path, content: bytes) -> Path:
    with whole_file(path) as file:
        file.write(content)
    return path


def _records(
    model: TrainedModel, asked: Mapping[str, Any], numbers: np.ndarray
) -> Iterator[Record]:
    """Yield images with their lineage, generated batch by batch."""
    made_by, done = model.fingerprint(), 0
    for images, classes in model.make_numbered(model.select(dict(asked)), numbers):
        pixels = model.image_format.to_pixels(images)
        places = np.unravel_index(classes, model.attributes.sizes)[0].tolist()
        for image, index, place in zip(pixels, classes.tolist(), places, strict=True):
            lineage = describe(model, made_by, index, int(numbers[done]))
            name = lineage.stem(safe_name(lineage.class_name))
            yield Record(name, place, encode_image(image, lineage), lineage)
            done += 1


def _name_arrays(
    model: TrainedModel,
    images: np.ndarray,
    class_indices: np.ndarray,
    numbers: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return images, attributes and lineage as named arrays."""
    label, *others = model.attributes.columns(class_indices)
    named = dict(zip(model.attributes.names[1:], others, strict=True))
    return {
        "X": images,
        "y": label,
        **named,
        MASK_KEY: np.ones(len(images), dtype=bool),
        NUMBER_KEY: numbers,
        MODEL_KEY: np.array(model.fingerprint()),
    }


def generate_again(model: Path, source: Path, out: Path) -> dict[str, Any]:
    """Generate the image of a file again, from its lineage.

    Raises
    ------
    DataError
        If the file has no lineage, or another model made it.
    """
    lineage = read_lineage(source)
    if lineage.method not in (None, GAN):
        raise DataError(
            f"{source} was made from real images ({lineage.method}): the model "
            "alone cannot make it again. Balance the same data with the same model."
        )
    trained = replace(
        ConditionalGANAugmenter.load(model).model_, truncation=lineage.truncation
    )
    made_by = trained.fingerprint()
    if made_by != lineage.model:
        raise DataError(
            f"{source} was made by the model {lineage.model}. Received: {model}, which "
            f"is {made_by}."
        )
    texts = {trained.attributes.names[0]: lineage.class_name, **lineage.attributes}
    asked = trained.find_texts(texts)
    images, _ = make_numbered(trained, asked, np.array([lineage.number]))
    _write_file(out, encode_image(trained.image_format.to_pixels(images)[0], lineage))
    name = ", ".join(texts.values())
    facts = {"name": name, "asked": asked, "numbers": [lineage.number]}
    return {**facts, "files": [str(out)]}


def make_numbered(
    model: TrainedModel, asked: Mapping[str, Any], numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return images in the user's format, and their class indices."""
    selection = model.select(dict(asked))
    image_format = model.image_format
    empty = np.empty((0, *image_format.row_shape), image_format.dtype)
    parts = list(model.make_numbered(selection, numbers))
    images = np.concatenate([empty, *(images for images, _ in parts)])
    none = np.empty(0, dtype=int)
    return images, np.concatenate([none, *(classes for _, classes in parts)])


def describe(
    model: TrainedModel, made_by: str, class_index: int, number: int
) -> Lineage:
    """Return the lineage of an image."""
    class_name, *others = model.name_values(class_index)
    named = dict(zip(model.attributes.names[1:], others, strict=True))
    file_range = whole_range(model.file_range, model.has_wide_grey)
    return Lineage(
        class_name, number, made_by, named, method=GAN, file_range=file_range
    )
