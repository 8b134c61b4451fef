"""Images of a saved model as files, each with its lineage."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from balancegan.augmenter import ConditionalGANAugmenter
from balancegan.data.archives import write_arrays
from balancegan.data.arrays import MASK_KEY, MODEL_KEY, NUMBER_KEY
from balancegan.data.filewriting import encode_image
from balancegan.data.lineage import Lineage, read_lineage, safe_name
from balancegan.errors import DataError
from balancegan.files import whole_file
from balancegan.gan.fingerprint import fingerprint
from balancegan.gan.model import TrainedModel
from balancegan.pictures import tile_grid, write_png
from balancegan.synthesis.faults import GAN

SHOWN_COLUMNS = 10  # in a picture


def generate_files(
    model: Path, wanted: Mapping[str, str], numbers: Sequence[int], out: Path
) -> dict[str, Any]:
    """Make images of one class, or combination of attributes, with a saved model.

    Parameters
    ----------
    model : Path
        The saved model.
    wanted : mapping of str to str
        Values of attributes as people write them; the class under "", which stands for
        the first attribute.
    numbers : sequence of int
        Which images: image k is always the same.
    out : Path
        By its suffix: .npz for arrays X, y, those of further attributes under their
        names, is_synthetic and the lineage; .png for one image, or several in one
        picture; else a folder, made if missing, of a PNG file for each image.

    Returns
    -------
    facts : dict
        What was asked for, the numbers of the images and the files written.
    """
    augmenter = ConditionalGANAugmenter.load(model)
    trained = augmenter.model_
    first = trained.attributes.names[0]
    if {"", first} <= wanted.keys():
        raise DataError(f"The class is the attribute {first}. Received: both.")
    asked = trained.find_texts({name or first: t for name, t in wanted.items()})
    images, class_indices = make_numbered(trained, asked, numbers)
    name = ", ".join(wanted.values())
    facts = {
        "name": name,
        "asked": asked,
        "training_images": augmenter.count_training_images(asked),
        "numbers": list(numbers),
    }
    if out.suffix == ".npz":
        write_arrays(out, _name_arrays(trained, images, class_indices, numbers))
        return {**facts, "files": [str(out)]}
    made_by = fingerprint(trained)
    lineages = [
        describe(trained, made_by, class_index, number)
        for class_index, number in zip(class_indices.tolist(), numbers, strict=True)
    ]
    pixels = trained.image_format.to_uint8(images)
    if out.suffix == ".png" and len(numbers) > 1:
        starts = range(0, len(pixels), SHOWN_COLUMNS)
        write_png(out, tile_grid([pixels[i : i + SHOWN_COLUMNS] for i in starts]))
        return {**facts, "files": [str(out)]}
    files = [out]
    if out.suffix != ".png":
        out.mkdir(exist_ok=True)
        files = [out / f"{one.stem(safe_name(one.class_name))}.png" for one in lineages]
    for file, image, lineage in zip(files, pixels, lineages, strict=True):
        write_synthetic(file, image, lineage)
    return {**facts, "files": [str(file) for file in files]}


def _name_arrays(
    model: TrainedModel,
    images: np.ndarray,
    class_indices: np.ndarray,
    numbers: Sequence[int],
) -> dict[str, np.ndarray]:
    """Return images and all that is known of them as named arrays."""
    label, *others = model.attributes.columns(class_indices)
    named = dict(zip(model.attributes.names[1:], others, strict=True))
    return {
        "X": images,
        "y": label,
        **named,
        MASK_KEY: np.ones(len(images), dtype=bool),
        NUMBER_KEY: np.array(numbers),
        MODEL_KEY: np.array(fingerprint(model)),
    }


def generate_again(model: Path, source: Path, out: Path) -> dict[str, Any]:
    """Make the image of a file again, from what the file says of itself.

    Raises
    ------
    DataError
        If the file does not say where it comes from, or another model made it.
    """
    lineage = read_lineage(source)
    if lineage.method not in (None, GAN):
        raise DataError(
            f"{source} was made from single real images ({lineage.method}): the model "
            "alone does not make it again. Balance the same data with the same model."
        )
    trained = replace(
        ConditionalGANAugmenter.load(model).model_, truncation=lineage.truncation
    )
    made_by = fingerprint(trained)
    if made_by != lineage.model:
        raise DataError(
            f"{source} was made by the model {lineage.model}. Received: {model}, which "
            f"is {made_by}."
        )
    texts = {trained.attributes.names[0]: lineage.class_name, **lineage.attributes}
    asked = trained.find_texts(texts)
    images, _ = make_numbered(trained, asked, [lineage.number])
    write_synthetic(out, trained.image_format.to_uint8(images)[0], lineage)
    name = ", ".join(texts.values())
    facts = {"name": name, "asked": asked, "numbers": [lineage.number]}
    return {**facts, "files": [str(out)]}


def make_numbered(
    model: TrainedModel, asked: Mapping[str, Any], numbers: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return images of these numbers, in the user's format, and their class indices."""
    selection = model.select(dict(asked))
    image_format = model.image_format
    empty = np.empty((0, *image_format.row_shape), image_format.dtype)
    parts = list(model.make_numbered(selection, np.asarray(numbers)))
    images = np.concatenate([empty, *(images for images, _ in parts)])
    none = np.empty(0, dtype=int)
    return images, np.concatenate([none, *(classes for _, classes in parts)])


def describe(
    model: TrainedModel, made_by: str, class_index: int, number: int
) -> Lineage:
    """Return where image `number` of a class comes from, with a fingerprint."""
    class_name, *others = model.name_values(class_index)
    named = dict(zip(model.attributes.names[1:], others, strict=True))
    return Lineage(class_name, number, made_by, named, method=GAN)


def write_synthetic(path: Path, pixels: np.ndarray, lineage: Lineage) -> None:
    """Write a synthetic image as a PNG file that says where it comes from."""
    with whole_file(path) as file:
        file.write(encode_image(pixels, lineage))
