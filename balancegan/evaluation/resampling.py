"""Resampling a training part: the sampler's output, checked, and which rows are new.

Samplers are foreign code, and never see a test image.
"""

import copy
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags

from balancegan.balance import plain
from balancegan.errors import DataError
from balancegan.evaluation.labelling import Labelling
from balancegan.memory import take_rows
from balancegan.quality.screening import COPIED, METHODS

MARGIN = 0.5  # of the range; values may exceed it by this (noise) and are clipped
JUDGED = (*METHODS, "instead", "accepted", "fault", "fault_share")


@dataclass(frozen=True, eq=False)
class Resampled:
    """A resampled training part.

    Attributes
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    class_indices : ndarray of shape (n,), int
        Their classes, or combinations of attributes.
    is_new : ndarray of shape (n,), bool
        Rows that the sampler added, copies included.
    is_copy : ndarray of shape (n,), bool
        Rows that the sampler declares copies of real images (``method_``).
    fit_seconds, resample_seconds : float
        Seconds of training, if the sampler says so, and the remaining seconds.
    judged : list of dict
        See :func:`read_quality`.
    """

    images: np.ndarray
    class_indices: np.ndarray
    is_new: np.ndarray
    is_copy: np.ndarray
    fit_seconds: float
    resample_seconds: float
    judged: list[dict[str, Any]] = field(default_factory=list)


def resample(
    sampler: Any,
    images: np.ndarray,
    class_indices: np.ndarray,
    labelling: Labelling,
    seed: int,
    value_range: tuple[float, float] | None = None,
) -> Resampled:
    """Resample a training part with a copy of a sampler.

    Parameters
    ----------
    sampler : object or None
        Has ``fit_resample``; its parameters called ``random_state`` are set to the
        seed. None: the rows are unchanged.
    images, class_indices : ndarray
        The training part.
    labelling : Labelling
        What the class indices stand for. Samplers get the user's labels; with several
        attributes a DataFrame if their tags say ``multi_output``, else class indices.
    seed : int
        Seed.
    value_range : tuple of float or None, default=None
        Black and white of the images. None: the limits of their type.

    Raises
    ------
    DataError
        If the sampler does not return labelled images of these classes and values.
    """
    if sampler is None:
        none = np.zeros(len(images), dtype=bool)
        return Resampled(images, class_indices, none, none, 0.0, 0.0)

    # Prepare a copy of the sampler and its input
    sampler = _copy_with_seed(sampler, seed)
    rows = images.reshape(len(images), -1) if _takes_flat_rows(sampler) else images
    if not isinstance(sampler, BaseOverSampler):
        rows = take_rows(rows, np.arange(len(rows)))  # it may work in place
    in_columns = _takes_columns(sampler)
    labels = labelling.as_given(class_indices, in_columns=in_columns)

    # Resample and check the output
    started = time.perf_counter()
    new_rows, new_labels = sampler.fit_resample(rows, labels)
    seconds = time.perf_counter() - started
    new_rows = np.asarray(new_rows)
    source = f"{type(sampler).__name__}.fit_resample"
    _check_rows(source, new_rows, new_labels, rows)
    try:
        new_indices = labelling.from_given(new_labels, in_columns=in_columns)
    except DataError as error:
        raise DataError(f"Wrong labels from {source}: {error}") from error
    resampled = _as_images(source, new_rows, images, value_range)

    # Samplers that compute in float32 return rounded originals
    rounded = images.astype(new_rows.dtype, copy=False).astype(images.dtype, copy=False)
    is_copy = np.zeros(len(resampled), dtype=bool)
    methods = np.asarray(getattr(sampler, "method_", ()))
    if methods.shape == is_copy.shape:
        is_copy = methods == COPIED
    fit_seconds = float(getattr(getattr(sampler, "report_", None), "fit_seconds", 0.0))
    return Resampled(
        resampled,
        new_indices,
        find_new_rows(rounded, resampled),
        is_copy,
        fit_seconds,
        seconds - fit_seconds,
        read_quality(sampler, labelling.attributes.names),
    )


def read_quality(sampler: Any, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return a sampler's table of quality as plain rows, if it has one.

    "class" are the values of the attributes, in the order of `names` even if
    ``balance_on`` has another one. None stands for what was not checked.
    """
    summary = getattr(getattr(sampler, "report_", None), "quality_summary", None)
    if summary is None:
        return []
    known = summary.reindex(columns=["class", *JUDGED]).astype(object)
    rows = known.where(known.notna(), None).to_dict("records")
    own = getattr(sampler, "balance_on", None)
    order = list(range(len(names)))
    if isinstance(own, list | tuple) and set(own) == set(names):
        order = [list(own).index(name) for name in names]
    judged = []
    for row in rows:
        label = row["class"]
        values = label if isinstance(label, tuple) else (label,)
        if len(values) == len(order):
            values = tuple(values[k] for k in order)
        of_class = {"class": [plain(value) for value in values]}
        judged.append(of_class | {name: plain(row[name]) for name in JUDGED})
    return judged


def find_new_rows(images: np.ndarray, resampled: np.ndarray) -> np.ndarray:
    """Return which rows of a resampled set were added.

    Originals usually come first. Otherwise a row is an original if it equals a real
    image that was not matched before, so a copy counts as added.

    Examples
    --------
    >>> real = np.array([[1], [2]])
    >>> find_new_rows(real, np.array([[2], [2], [7]])).tolist()
    [False, True, True]
    """
    is_new = np.ones(len(resampled), dtype=bool)
    if np.array_equal(resampled[: len(images)], images):
        is_new[: len(images)] = False
        return is_new
    left = Counter(row.tobytes() for row in images)
    for k, row in enumerate(resampled):
        key = row.tobytes()
        if left[key]:
            left[key] -= 1
            is_new[k] = False
    return is_new


def _copy_with_seed(sampler: Any, seed: int) -> Any:
    if not isinstance(sampler, BaseEstimator):
        return copy.deepcopy(sampler)
    sampler = clone(sampler)
    names = [n for n in sampler.get_params() if n.split("__")[-1] == "random_state"]
    return sampler.set_params(**dict.fromkeys(names, seed))


def _takes_flat_rows(sampler: Any) -> bool:
    return isinstance(sampler, BaseEstimator) and not (
        get_tags(sampler).input_tags.three_d_array
    )


def _takes_columns(sampler: Any) -> bool:
    return isinstance(sampler, BaseEstimator) and (
        get_tags(sampler).target_tags.multi_output
    )


def _check_rows(
    source: str, new_rows: np.ndarray, new_labels: Any, rows: np.ndarray
) -> None:
    if new_rows.shape[1:] != rows.shape[1:] or len(new_rows) != len(new_labels):
        raise DataError(
            f"{source} must return images of shape (n, "
            f"{', '.join(map(str, rows.shape[1:]))}) and n labels. Received: "
            f"{new_rows.shape} and {np.shape(new_labels)}."
        )
    if new_rows.dtype.kind not in "biuf" or not len(new_rows):
        raise DataError(
            f"{source} must return at least one image of numbers. Received: "
            f"{len(new_rows)} of dtype {new_rows.dtype}."
        )
    if new_rows.dtype.kind == "f" and not np.isfinite(new_rows).all():
        raise DataError(f"{source} returned NaN or infinity.")


def _as_images(
    source: str,
    new_rows: np.ndarray,
    images: np.ndarray,
    value_range: tuple[float, float] | None,
) -> np.ndarray:
    """Return rows in the layout, type and range of the given images."""
    resampled = new_rows.reshape(-1, *images.shape[1:])
    kind = images.dtype.kind
    low, high = value_range or (-np.inf, np.inf)
    if kind in "iu" and value_range is None:
        low, high = np.iinfo(images.dtype).min, np.iinfo(images.dtype).max
    margin = MARGIN * (high - low)
    least, most = float(resampled.min()), float(resampled.max())
    if least < low - margin or most > high + margin:
        raise DataError(
            f"{source} must return values in {low:g} to {high:g}, as the images have. "
            f"Received: values from {least:g} to {most:g}."
        )
    if kind in "iub" and resampled.dtype.kind == "f":
        resampled = np.rint(resampled)
    if least < low or most > high:
        resampled = np.clip(resampled, low, high)
    return resampled.astype(images.dtype, copy=False)
