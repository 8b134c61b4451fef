"""What a method's sampler makes of the training part, and which of it is new.

A sampler is somebody else's code: what it returns is checked before anything is
learned from it. It is never shown a test image.
"""

import copy
import time
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

MARGIN = 0.5  # of the range, by which values may leave it: noise does, and is cut off
JUDGED = (*METHODS, "instead", "accepted", "fault", "fault_share")


@dataclass(frozen=True, eq=False)
class Resampled:
    """Rows that a classifier learns from.

    Attributes
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    class_indices : ndarray of shape (n,), int
        Their classes, or combinations of attributes.
    is_new : ndarray of shape (n,), bool
        Rows that the sampler added, copies of real ones among them.
    is_again : ndarray of shape (n,), bool
        Those that the sampler says are real images again, see :func:`read_again`.
    fit_seconds : float
        What learning took, of samplers that say so by an attribute ``fit_seconds_``;
        else 0.
    resample_seconds : float
        What else the sampler took.
    judged : list of dict
        What a sampler that judges its images found, by class: see
        :func:`read_quality`. Empty of samplers that do not.
    """

    images: np.ndarray
    class_indices: np.ndarray
    is_new: np.ndarray
    is_again: np.ndarray
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
    """Let a copy of a sampler resample a training part.

    Parameters
    ----------
    sampler : object or None
        Has ``fit_resample``. It is copied, and its parameters called ``random_state``
        are set to the seed. None: the rows as they are.
    images, class_indices : ndarray
        The training part.
    labelling : Labelling
        What the class indices stand for. Samplers get labels as the user gave them;
        of several attributes a DataFrame if their scikit-learn tags say that they take
        it (``multi_output``), else the class indices.
    seed : int
        Seed.
    value_range : tuple of float or None, default=None
        Black and white of the images. None: as far as their type goes.

    Returns
    -------
    resampled : Resampled

    Raises
    ------
    DataError
        If what comes back is no labelled set of images of these classes and values.
    """
    if sampler is None:
        none = np.zeros(len(images), dtype=bool)
        return Resampled(images, class_indices, none, none, 0.0, 0.0)
    sampler = _copy_with_seed(sampler, seed)
    rows = images.reshape(len(images), -1) if _takes_flat_rows(sampler) else images
    if not isinstance(sampler, BaseOverSampler):
        # Somebody else's code may work in place
        rows = take_rows(rows, np.arange(len(rows)))
    in_columns = _takes_columns(sampler)
    labels = labelling.as_given(class_indices, in_columns=in_columns)
    started = time.perf_counter()
    new_rows, new_labels = sampler.fit_resample(rows, labels)
    seconds = time.perf_counter() - started
    new_rows = np.asarray(new_rows)
    _check_rows(sampler, new_rows, new_labels, rows)
    try:
        new_indices = labelling.from_given(new_labels, in_columns=in_columns)
    except DataError as error:
        who = type(sampler).__name__
        raise DataError(f"Of {who}.fit_resample {error}") from error
    resampled = _as_images(sampler, new_rows, images, value_range)
    # Whoever computes in float32 gives every image back a little rounded
    rounded = images.astype(new_rows.dtype, copy=False).astype(images.dtype, copy=False)
    fit_seconds = float(getattr(sampler, "fit_seconds_", 0.0))
    return Resampled(
        resampled,
        new_indices,
        find_new_rows(rounded, resampled),
        read_again(sampler, len(resampled)),
        fit_seconds,
        seconds - fit_seconds,
        read_quality(sampler, labelling.attributes.names),
    )


def read_quality(sampler: Any, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return what a sampler says of the images it made, in its ``quality_summary_``.

    Parameters
    ----------
    sampler : object
        One that has resampled.
    names : sequence of str, default=()
        The attributes in the order that values of all of them are to have; a sampler
        may balance on them in another one (``balance_on``).

    Returns
    -------
    judged : list of dict
        A row for each class that got images: "class", the values of its label or of
        its attributes; "gan", "copied" and the other methods, how many were made
        how; "accepted", the share of those looked at; "fault" and "fault_share", see
        :func:`balancegan.samplers.summary.name_fault`. None where nothing was looked
        at. Empty where the sampler has no such table.
    """
    summary = getattr(sampler, "quality_summary_", None)
    if summary is None:
        return []
    known = summary.reindex(columns=["class", *JUDGED]).astype(object)
    rows = known.where(known.notna(), None).to_dict("records")
    own = getattr(sampler, "balance_on", None)
    order = list(range(len(names)))
    if isinstance(own, list | tuple) and set(own) == set(names):
        order = [list(own).index(name) for name in names]

    def ordered(values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the values of all attributes in their order; of some, as they are."""
        return tuple(values[k] for k in order) if len(values) == len(order) else values

    return [
        {"class": [plain(value) for value in ordered(_values(row["class"]))]}
        | {name: plain(row[name]) for name in JUDGED}
        for row in rows
    ]


def _values(label: Any) -> tuple[Any, ...]:
    return label if isinstance(label, tuple) else (label,)


def read_again(sampler: Any, n_rows: int) -> np.ndarray:
    """Return which rows a sampler says are real images again, in its ``method_``.

    They are no images that anything made: nothing is asked of how good they are.

    Parameters
    ----------
    sampler : object
        One that has resampled.
    n_rows : int
        How many rows came of it.

    Returns
    -------
    is_again : ndarray of shape (n_rows,), bool
        None of samplers that say nothing.
    """
    methods = np.asarray(getattr(sampler, "method_", ()))
    if methods.shape != (n_rows,):
        return np.zeros(n_rows, dtype=bool)
    return methods == COPIED


def find_new_rows(images: np.ndarray, resampled: np.ndarray) -> np.ndarray:
    """Return which rows of a resampled set were added.

    Originals usually come first; where they do not, a row is an original if it equals
    a real image that has not been found before, so that a copy counts as added.

    Examples
    --------
    >>> real = np.array([[1], [2]])
    >>> find_new_rows(real, np.array([[2], [2], [7]])).tolist()
    [False, True, True]
    """
    is_new = np.ones(len(resampled), dtype=bool)
    if len(resampled) >= len(images) and np.array_equal(
        resampled[: len(images)], images
    ):
        is_new[: len(images)] = False
        return is_new
    left: dict[bytes, int] = {}
    for row in images:
        key = row.tobytes()
        left[key] = left.get(key, 0) + 1
    for k, row in enumerate(resampled):
        key = row.tobytes()
        if left.get(key, 0):
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


def _as_images(
    sampler: Any,
    new_rows: np.ndarray,
    images: np.ndarray,
    value_range: tuple[float, float] | None,
) -> np.ndarray:
    """Return rows in the layout, type and range of the images that were given.

    Raises
    ------
    DataError
        If values lie so far outside that they must be of another range.
    """
    resampled = new_rows.reshape(-1, *images.shape[1:])
    kind = images.dtype.kind
    low, high = value_range or (-np.inf, np.inf)
    if kind in "iu" and value_range is None:
        low, high = np.iinfo(images.dtype).min, np.iinfo(images.dtype).max
    margin = MARGIN * (high - low)
    least, most = float(resampled.min()), float(resampled.max())
    if least < low - margin or most > high + margin:
        raise DataError(
            f"{type(sampler).__name__}.fit_resample must return values in {low:g} to "
            f"{high:g}, as the images have. Received: values from {least:g} to "
            f"{most:g}."
        )
    if kind in "iub" and resampled.dtype.kind == "f":
        resampled = np.rint(resampled)
    if least < low or most > high:
        resampled = np.clip(resampled, low, high)
    return resampled.astype(images.dtype, copy=False)


def _check_rows(
    sampler: Any, new_rows: np.ndarray, new_labels: Any, rows: np.ndarray
) -> None:
    who = type(sampler).__name__
    if new_rows.shape[1:] != rows.shape[1:] or len(new_rows) != len(new_labels):
        raise DataError(
            f"{who}.fit_resample must return images of shape (n, "
            f"{', '.join(map(str, rows.shape[1:]))}) and n labels. Received: "
            f"{new_rows.shape} and {np.shape(new_labels)}."
        )
    if new_rows.dtype.kind not in "biuf" or not len(new_rows):
        raise DataError(
            f"{who}.fit_resample must return images of numbers, one at least. "
            f"Received: {len(new_rows)} of dtype {new_rows.dtype}."
        )
    if new_rows.dtype.kind == "f" and not np.isfinite(new_rows).all():
        raise DataError(f"{who}.fit_resample returned values that are not finite.")
