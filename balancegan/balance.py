"""Plan how many images of each class to add, from labels and a strategy.

imbalanced-learn defines the strategies and their errors; this module adds shares for
several classes and a cap. Plans count images to *add*, never totals.
"""

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy

from balancegan.errors import DataError, refusals_as_data_errors

Strategy = str | float | Mapping[Any, int] | Callable[[np.ndarray], Mapping[Any, int]]
Plan = dict[Any, int]
COUNT = "[0-9]{1,12}"  # images
MOST_IMAGES = 10**12 - 1
ROUNDING = 1e-9  # exceeds the rounding error of ratios of counts
COMBINATIONS = "combinations"  # all, including those without images
STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")
OWN_STRATEGIES = (COMBINATIONS,)
MOST_TIMES = 10  # the largest class; a larger number is probably a count
FEW_SHOT = 200  # most images of a few-shot class
MANY_SHOT = 1_000  # a class with more is many-shot, one in between medium-shot


def class_counts(y: np.ndarray) -> dict[Any, int]:
    """Return the number of rows of each class, sorted by label.

    Examples
    --------
    >>> class_counts(np.array(["shirt", "bag", "shirt"]))
    {'bag': 1, 'shirt': 2}
    """
    classes, counts = np.unique(y, return_counts=True)
    return dict(zip(classes.tolist(), counts.tolist(), strict=True))


def imbalance_ratio(counts: Mapping[Any, int]) -> float:
    """Return the size of the largest class over that of the smallest.

    It is infinite if a class is empty, and NaN if all are.

    Examples
    --------
    >>> imbalance_ratio({"bag": 10, "shirt": 40})
    4.0
    >>> imbalance_ratio({"bag": 10, "shirt": 0}), imbalance_ratio({})
    (inf, nan)
    """
    most, least = max(counts.values(), default=0), min(counts.values(), default=0)
    if least:
        return most / least
    return math.inf if most else math.nan


def plan_synthesis(
    y: np.ndarray,
    strategy: Strategy = "auto",
    max_ratio: float | None = None,
    combinations: Sequence[Any] = (),
) -> Plan:
    """Return how many images of each class to add.

    Parameters
    ----------
    y : ndarray of shape (n,)
        The labels of the real images; at least two classes. Tuples in an array of
        objects if a class is a combination of several attributes.
    strategy : str, float, mapping or callable, default="auto"
        As for imbalanced-learn's over-samplers, with the same errors: 'auto' (the
        same as 'not majority'), 'minority', 'not minority', 'all'; a mapping from
        class to the *final* count; a callable that makes such a mapping from `y`.
        A float in (0, 1] is a share of the largest class that every class is raised
        to, rounded; with two classes it must not lie below the present share. Unlike
        imbalanced-learn's, a float may be used with more than two classes, and be
        larger, up to 10: 2 raises every class, the largest too, to twice the largest.
        'combinations' is 'auto', and as many images of each class of `combinations`
        that `y` does not have.
    max_ratio : float, default=None
        Largest number of synthetic images per real image of a class. None: no cap.
    combinations : sequence, default=()
        Classes that may be requested although `y` does not have them: combinations of
        values without images. With a `max_ratio` they get none.

    Returns
    -------
    n_to_generate : dict
        Number of images to add for every class of `y`, sorted, followed by requested
        `combinations`.

    Raises
    ------
    DataError
        If the strategy names an unknown class, asks for fewer images than there
        are, or `y` has a single class.

    Examples
    --------
    >>> y = np.repeat([0, 1, 2], [100, 40, 3])
    >>> plan_synthesis(y)
    {0: 0, 1: 60, 2: 97}
    >>> plan_synthesis(y, 0.5)
    {0: 0, 1: 10, 2: 47}
    >>> plan_synthesis(y, 1.2)
    {0: 20, 1: 80, 2: 117}
    >>> plan_synthesis(y, {2: 50}, max_ratio=5)
    {0: 0, 1: 0, 2: 15}
    >>> plan_synthesis(y, "combinations", combinations=[0, 1, 2, 3])
    {0: 0, 1: 60, 2: 97, 3: 100}
    """
    counts = class_counts(y)
    others = [label for label in combinations if label not in counts]
    unseen: Plan = {}
    if isinstance(strategy, str) and strategy == COMBINATIONS:
        unseen = dict.fromkeys(others, max(counts.values()))
        strategy = "auto"
    elif callable(strategy) or isinstance(strategy, Mapping):
        final = _check_counts(strategy(y) if callable(strategy) else strategy)
        unseen = {label: final[label] for label in others if label in final}
        strategy = {k: n for k, n in final.items() if k not in unseen}
    with refusals_as_data_errors():
        if isinstance(strategy, Real) and not isinstance(strategy, bool):
            wanted = _raise_to_share(y, counts, float(strategy))
        else:
            resolved = check_sampling_strategy(strategy, y, "over-sampling")
            wanted = {plain(label): int(n) for label, n in resolved.items()}
    plan = {label: wanted.get(label, 0) for label in counts} | unseen
    if max_ratio is None:
        return plan
    most = {  # rounded up a little, since 1.15 * 100 is below 115
        label: int(max_ratio * counts.get(label, 0) + ROUNDING) for label in plan
    }
    return {label: min(n, most[label]) for label, n in plan.items()}


def _check_counts(final: Any) -> dict[Any, int]:
    """Return final counts as int; raise DataError unless they are whole numbers."""
    if not isinstance(final, Mapping):
        raise DataError(
            "A callable as sampling_strategy returns a mapping from class to final "
            f"count. Received: a {type(final).__name__} from it."
        )
    for label, n in final.items():
        is_whole = isinstance(n, Integral) or (isinstance(n, float) and n.is_integer())
        if not (is_whole and 0 <= n <= MOST_IMAGES):
            raise DataError(
                f"Final counts are whole numbers from 0 to {MOST_IMAGES:,}. Received: "
                f"{n!r} for {label!r}."
            )
    return {label: int(n) for label, n in final.items()}


def parse_strategy(
    texts: Sequence[str], find_label: Callable[[str], Any]
) -> str | float | dict[Any, int]:
    """Parse texts of targets into a strategy.

    Parameters
    ----------
    texts : sequence of str
        One name of a strategy (with spaces or hyphens), one number, or any number of
        CLASS=COUNT. Empty: "auto".
    find_label : callable
        Returns the label of a class by its name.

    Examples
    --------
    >>> parse_strategy(["bag=1000", "boot=500"], str)
    {'bag': 1000, 'boot': 500}
    >>> parse_strategy(["not-majority"], str), parse_strategy(["0.5"], str)
    ('not majority', 0.5)
    """
    if not texts:
        return "auto"
    only = texts[0].replace("-", " ") if len(texts) == 1 else ""
    if only in (*STRATEGIES, *OWN_STRATEGIES):
        return only
    if re.fullmatch(r"\d*\.?\d+", only):
        return float(only)
    counts = {}
    for text in texts:
        name, _, count = text.rpartition("=")
        if not name or not re.fullmatch(COUNT, count):
            known = ", ".join(
                s.replace(" ", "-") for s in (*STRATEGIES, *OWN_STRATEGIES)
            )
            raise DataError(
                f"A target is CLASS=COUNT, a number in (0, {MOST_TIMES}], or one of "
                f"{known}. Received: {text!r}."
            )
        label = find_label(name)
        if label in counts:
            raise DataError(f"A class has one target. Received: two of {name!r}.")
        counts[label] = int(count)
    return counts


def _raise_to_share(y: np.ndarray, counts: dict[Any, int], share: float) -> Plan:
    if len(counts) <= 2 and share <= 1:
        # For its errors: it truncates numbers, and does not support tuples as labels
        _, class_indices = np.unique(y, return_inverse=True)
        check_sampling_strategy(share, class_indices, "over-sampling")
    elif not 0 < share <= MOST_TIMES:
        raise ValueError(
            "A sampling strategy that is a number is a share of the largest class, or "
            f"how many times it, in (0, {MOST_TIMES}]. Received: {share}. For counts "
            "name the classes."
        )
    target = round(share * max(counts.values()))
    return {label: max(0, target - n) for label, n in counts.items()}


def plain(label: Hashable) -> Hashable:
    """Return a numpy label as a Python value."""
    return label.item() if isinstance(label, np.generic) else label


def class_text(name: Hashable) -> str:
    """Return the name of a class for a sentence, quoted if it has no letters.

    "0: 178" reads as a count, "class '0': 178" does not.

    Examples
    --------
    >>> class_text("shirt"), class_text(0), class_text("10-20")
    ('shirt', "class '0'", "class '10-20'")
    """
    text = str(name)
    return text if any(sign.isalpha() for sign in text) else f"class '{text}'"
