"""What the commands do, as functions of plain values.

From files to files: ``cli`` turns options into these arguments and shows what comes
back, a dict of facts that JSON knows. Reading and planning are cheap and refuse what
can be refused; the functions that train come after.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balancegan.augmenter import ConditionalGANAugmenter
from balancegan.balance import Plan, Strategy, plain
from balancegan.cli.estimate import estimate_cost, peak_memory_bytes
from balancegan.data.archives import write_arrays
from balancegan.data.labelled import LabelledImages, SyntheticImages
from balancegan.data.writing import describe_lineage, write_images
from balancegan.gan.fingerprint import fingerprint
from balancegan.pictures import compare_real_and_synthetic, tile_grid, write_png

# In pictures
SHOWN_PER_CLASS = 8
SHOWN_CLASSES = 20
SHOWN_COLUMNS = 10


def balance_file(
    labelled: LabelledImages,
    strategy: Strategy,
    plan: Plan,
    settings: Mapping[str, Any],
    *,
    model: Path | None,
    out: Path,
    format: str | None = None,
    picture: Path | None,
) -> dict[str, Any]:
    """Write a balanced copy of labelled images.

    Parameters
    ----------
    labelled : LabelledImages
        What was read.
    strategy : str, float or dict
        The targets.
    plan : dict
        The number of images to make of each class that follows from them. If there
        are none, nothing is trained.
    settings : mapping
        Arguments of :class:`ConditionalGANAugmenter`.
    model : Path or None
        A saved model to use. None: one is trained.
    out : Path
        The file or folder to write.
    format : str or None, default=None
        See :func:`balancegan.data.writing.write_images`.
    picture : Path or None
        Where to write real beside synthetic images. None: nowhere.

    Returns
    -------
    facts : dict
        Seconds, memory, and how the model was trained.
    """
    if not any(plan.values()):
        nothing = _synthetic(labelled.images[:0], labelled.labels[:0], model="")
        write_images(out, labelled, nothing, format=format)
        return {"peak_memory_bytes": peak_memory_bytes()}

    if model is None:
        augmenter = ConditionalGANAugmenter(**settings)
        augmenter.fit(labelled.images, labelled.labels)
    else:
        augmenter = ConditionalGANAugmenter.load(model)
        own = {name: settings[name] for name in ("max_ratio", "verbose")}
        augmenter.set_params(**own)

    started = time.monotonic()
    images, labels = augmenter.resample(strategy, labelled.images, labelled.labels)
    synthesized = time.monotonic()
    n_real = len(labelled.labels)
    made_by = fingerprint(augmenter.model_)
    synthetic = _synthetic(images[n_real:], labels[n_real:], made_by)
    write_images(out, labelled, synthetic, format=format)
    written = time.monotonic()
    if picture is not None:
        _write_comparison(picture, augmenter, labelled)
    return {
        **training_facts(augmenter),
        "model": None if model is None else str(model),
        "fingerprint": made_by,
        "synthesis_seconds": round(synthesized - started, 1),
        "writing_seconds": round(written - synthesized, 1),
        "peak_memory_bytes": peak_memory_bytes(),
    }


def estimate_file(
    labelled: LabelledImages,
    plan: Plan,
    settings: Mapping[str, Any],
    model: Path | None,
) -> dict[str, Any]:
    """Find out by a little work what balancing a file would cost.

    Parameters are those of `balance_file`; the facts are those of
    :class:`balancegan.cli.estimate.Estimate`.
    """
    if model is None:
        augmenter = ConditionalGANAugmenter(**settings)
    else:
        augmenter = ConditionalGANAugmenter.load(model)
    n_images = sum(plan.values())
    return asdict(estimate_cost(augmenter, labelled.images, labelled.labels, n_images))


def train_file(
    labelled: LabelledImages,
    settings: Mapping[str, Any],
    model: Path,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Train on a file's images and save the model; return how it was trained.

    Where training is interrupted, the best state so far is saved, and `facts` says
    so under "interrupted".
    """
    augmenter = ConditionalGANAugmenter(**settings)
    interrupted = False
    try:
        augmenter.fit(labelled.images, labelled.labels)
    except KeyboardInterrupt:
        if not hasattr(augmenter, "model_"):
            raise
        interrupted = True
    names = [labelled.name(label) for label in augmenter.classes_.tolist()]
    augmenter.model_ = replace(augmenter.model_, class_names=names)
    augmenter.save(model, overwrite=overwrite)
    return {**training_facts(augmenter), "interrupted": interrupted}


def generate_files(
    model: Path, class_name: str, n: int, first: int, out: Path
) -> dict[str, Any]:
    """Make images of one class with a saved model.

    Parameters
    ----------
    model : Path
        The saved model.
    class_name : str
        The class, by its name in the data or by its label.
    n, first : int
        How many images, and the number of the first.
    out : Path
        By its suffix: .npz for arrays X, y and is_synthetic, .png for all images in
        one picture; else a folder, made if missing, of a PNG file for each image.

    Returns
    -------
    facts : dict
        The label and the files written.
    """
    augmenter = ConditionalGANAugmenter.load(model)
    class_index = augmenter.model_.find_named_class(class_name)
    label = augmenter.classes_[class_index]
    images = augmenter.sample(label, n, first=first)
    pixels = augmenter.model_.image_format.to_uint8(images)
    if out.suffix == ".npz":
        y = np.full(n, label, dtype=augmenter.classes_.dtype)
        mask = np.ones(n, dtype=bool)
        write_arrays(out, {"X": images, "y": y, "is_synthetic": mask})
        files = [out]
    elif out.suffix == ".png":
        starts = range(0, n, SHOWN_COLUMNS)
        write_png(out, tile_grid([pixels[i : i + SHOWN_COLUMNS] for i in starts]))
        files = [out]
    else:
        out.mkdir(exist_ok=True)
        name = re.sub(r"[^\w-]", "_", class_name)
        numbers = range(first, first + n)
        files = [out / f"synthetic_{name}_{number:06d}.png" for number in numbers]
        made_by = fingerprint(augmenter.model_)
        for number, file, image in zip(numbers, files, pixels, strict=True):
            write_png(file, image, describe_lineage(class_name, number, made_by))
    return {"class": plain(label), "files": [str(file) for file in files]}


def _synthetic(images: np.ndarray, labels: np.ndarray, model: str) -> SyntheticImages:
    """Give the images of each class their numbers: `resample` makes them from 0 on."""
    numbers = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return SyntheticImages(images, labels, numbers, model)


def training_facts(augmenter: ConditionalGANAugmenter) -> dict[str, Any]:
    """Return how a model was trained."""
    model = augmenter.model_
    return {
        "steps": model.n_steps,
        "kept_step": model.kept_step,
        "training_seconds": round(model.seconds, 1),
        "seed": model.seed,
        "preset": asdict(model.preset),
    }


def _write_comparison(
    path: Path, augmenter: ConditionalGANAugmenter, labelled: LabelledImages
) -> None:
    """Write a picture with a row per class, real images left, synthetic right."""
    to_uint8 = augmenter.model_.image_format.to_uint8
    names, real, synthetic = [], [], []
    for label in augmenter.classes_[:SHOWN_CLASSES]:
        rows = np.flatnonzero(labelled.labels == label)[:SHOWN_PER_CLASS]
        names.append(labelled.name(label))
        real.append(to_uint8(labelled.images[rows]))
        synthetic.append(to_uint8(augmenter.sample(label, SHOWN_PER_CLASS)))
    write_png(path, compare_real_and_synthetic(names, real, synthetic))
