"""Checks of photos at their own size: light, sharpness, shape, colour, labels.

A photo is compared with a fixed limit, chosen on folders with planted faults
(`benchmarks/inspection.py`), and with the median of the training part. Where half of
the training photos are beyond a fixed limit, it is typical of the set, and only the
median counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from balancegan.balance import class_text
from balancegan.data.examined import ExaminedSet
from balancegan.data.photo_measures import Measures
from balancegan.data.photo_votes import (
    LEAST_OF_CLASS,
    LEAST_RECOGNISED,
    LabelDoubts,
    doubt_labels,
)
from balancegan.quality.checks import Finding, count, list_some

# Odd shapes and sizes: by what factor they differ from the median, and from most: as
# many interquartile ranges beyond the quartiles (Tukey's far out values are 3)
ODD_SHAPE, ODD_SIZE, FAR_OUT = 2.0, 2.5, 3.0
# or, in a set of many sizes: the ratio of the sides, the factor from the median
EXTREME_SHAPE, EXTREME_SIZE = 3.0, 4.0
SHARE_OF_LITTLE = 0.35  # of the median, where most photos are beyond a fixed limit
LEAST_COLOUR, SOME_COLOUR = 1 / 255, 5 / 255  # grey up to here; in colour from here
OUTLYING = 3.0  # in interquartile ranges beyond the upper quartile


def _relative_contrast(dark: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Return contrast as a share of the possible: dark photos are not flat ones."""
    return (light - dark) / np.maximum(np.minimum(light, 1 - dark), 1 / 255)


@dataclass(frozen=True)
class Limit:
    """The least value of a measure below which a photo is odd."""

    measure: Callable[[Measures], np.ndarray]
    fixed: float
    share: float  # of the median
    finding: str
    advice: str
    passed: str
    unit: str = " of the range from black to white"

    def find(self, usual: np.ndarray) -> tuple[float, bool]:
        """Return the limit for a set, and whether the fixed one counts."""
        median = float(np.median(usual))
        counts = 0.7 * median >= self.fixed
        floor = self.fixed if counts else SHARE_OF_LITTLE * median
        return max(floor, self.share * median), counts


LIMITS = {
    "BG115": Limit(
        lambda m: m.light[:, 4],
        0.32,
        0.45,
        "dark: 99 % of the pixels are below",
        "Classifiers see little in them. Brighten or remove them.",
        "No photo is dark.",
    ),
    "BG116": Limit(
        lambda m: 1 - m.light[:, 1],
        0.1,
        0.2,
        "bright: 95 % of the pixels differ from white by less than",
        "They are probably overexposed. Look at them, or remove them.",
        "No photo is overexposed.",
    ),
    "BG117": Limit(
        lambda m: _relative_contrast(m.light[:, 0], m.light[:, 4]),
        0.15,
        0.25,
        "of low contrast: dark and light pixels differ by less than",
        "They show little. Look at them, or remove them.",
        "No photo has low contrast.",
        " of what their brightness allows",
    ),
    "BG118": Limit(
        lambda m: m.sharpness,
        4.0,
        0.06,
        "blurred: their sharpness is below",
        "Out of focus, moved, or enlarged from a small image. A class with many of "
        "them is recognised by its blur.",
        "No photo is blurred.",
        "",
    ),
}


def _find_odd_light(code: str, examined: ExaminedSet) -> Finding:
    """Find photos that are dark, bright, of low contrast or blurred (BG115 to 118)."""
    if examined.photo_refusal:
        return Finding(code, *examined.photo_refusal)
    limit = LIMITS[code]
    measured = [limit.measure(measures) for measures in examined.measures]
    bound, is_fixed = limit.find(measured[0])
    odd = [values < bound for values in measured]
    median = np.median(measured[0])
    about = f"{limit.finding} {bound:.3g}{limit.unit} (median {median:.3g})."
    if not is_fixed:
        about += " The whole set is like that, so only the median counts."
    passed = limit.passed if is_fixed else f"{limit.passed[:-1]} compared with the set."
    return _report(code, examined, odd, f"{about} {limit.advice}", passed)


def _report(
    code: str,
    examined: ExaminedSet,
    odd: list[np.ndarray],
    about: str,
    passed: str,
    describe: Callable[[int, int], str] | None = None,
) -> Finding:
    """Return a tip that names the odd photos of both parts, or that there are none.

    `describe` names a photo by the number of its part and its row.
    """
    describe = describe or (lambda number, row: examined.parts[number].cite(row))
    # Constant images and bad values are findings of their own
    rows = [
        part.sound[flags[part.sound]]
        for part, flags in zip(examined.parts, odd, strict=True)
    ]
    texts = [
        f"{count(len(found), f'{part.which}image')} "
        f"({list_some([describe(number, row) for row in found.tolist()])})"
        for number, (part, found) in enumerate(zip(examined.parts, rows, strict=True))
        if len(found)
    ]
    if not texts:
        return Finding(code, "passed", passed)
    verb = "is" if sum(map(len, rows)) == 1 else "are"
    return Finding(code, "tip", f"{' and '.join(texts)} {verb} {about}", *rows)


def _find_odd_shape(code: str, examined: ExaminedSet) -> Finding:
    """Find photos whose aspect ratio or size is far from the set's (BG119, BG120)."""
    if any(part.part.sizes is None for part in examined.parts):
        return Finding(code, "not applicable", "The images come in one size.")
    sizes = [np.asarray(part.part.sizes, dtype=float) for part in examined.parts]
    if code == "BG119":
        factor, values = ODD_SHAPE, [np.log(s[:, 1] / s[:, 0]) for s in sizes]
        usual = f"{np.exp(np.median(values[0])):.2f} (width / height)"
        about = (
            f"of an odd aspect ratio: the usual one is {usual}. Brought to one size "
            "they are distorted, padded or cut: crop them."
        )
        passed = "No aspect ratio is far from the usual one."
    else:
        factor, values = ODD_SIZE, [np.log(s.prod(axis=1)) / 2 for s in sizes]
        side = np.exp(np.median(values[0]))
        about = (
            f"of an odd size: the usual one is about {side:.0f} pixels a side. Small "
            "ones are blurred when enlarged: do they come from another source?"
        )
        passed = "No size is far from the usual one."
    low, median, high = np.percentile(values[0], [25, 50, 75])
    reach = FAR_OUT * (high - low)
    far = []
    for v in values:
        off = abs(v - median)
        is_out = (v < low - reach) | (v > high + reach)
        is_extreme = off > np.log(EXTREME_SIZE)
        if code == "BG119":
            is_extreme = (abs(v) > np.log(EXTREME_SHAPE)) & (off > np.log(factor))
        far.append((is_out & (off > np.log(factor))) | is_extreme)
    return _report(code, examined, far, about, passed)


def _find_odd_colour(code: str, examined: ExaminedSet) -> Finding:
    """Find grey photos among ones in colour, and the other way round (BG121)."""
    if examined.photo_refusal:
        return Finding(code, *examined.photo_refusal)
    colour = [measures.colour for measures in examined.measures]
    if np.median(colour[0]) > LEAST_COLOUR:
        odd = [values <= LEAST_COLOUR for values in colour]
        about, passed = "grey among photos in colour.", "Every photo is in colour."
    else:
        odd = [values >= SOME_COLOUR for values in colour]
        about, passed = "in colour among grey photos.", "Every photo is grey."
    about += " A class with many of them is recognised by that: make all photos alike."
    return _report(code, examined, odd, about, passed)


def _find_outliers(code: str, examined: ExaminedSet) -> Finding:
    """Find photos unlike any other of their class (BG122)."""
    if examined.votes_refusal:
        return Finding(code, *examined.votes_refusal)
    strangeness = examined.votes.strangeness
    if not np.isfinite(strangeness[0]).any():
        message = f"No class has {LEAST_OF_CLASS} photos or more."
        return Finding(code, "not run", message)
    odd = [np.nan_to_num(values) > OUTLYING for values in strangeness]
    small = [label for label, n in examined.counts.items() if n < LEAST_OF_CLASS]
    unchecked = ""
    if small:
        names = list_some([class_text(examined.name(label)) for label in small])
        unchecked = f" Classes with too few photos were not checked: {names}."
    return _report(
        code,
        examined,
        odd,
        "unlike other photos of the same class in colours and shapes. Check that they "
        f"belong to it.{unchecked}",
        f"No photo is unlike all others of its class.{unchecked}",
    )


def _find_wrong_labels(code: str, examined: ExaminedSet) -> Finding:
    """Find photos for which the other photos suggest another label (BG123)."""
    if examined.votes_refusal:
        return Finding(code, *examined.votes_refusal)
    votes = examined.votes
    doubts = [
        doubt_labels(part.labels, own, votes.classes)
        for part, own in zip(examined.parts, votes.votes, strict=True)
    ]
    unchecked = [
        text
        for part, doubt in zip(examined.parts, doubts, strict=True)
        if (text := _describe_unchecked(examined, doubt, part.which))
    ]
    if not doubts[0].recognised >= LEAST_RECOGNISED:
        return Finding(code, "not run", unchecked[0])
    said = "".join(f" {text}" for text in unchecked)

    def describe(number: int, row: int) -> str:
        """Return a photo with its label and the likelier one."""
        part, other = examined.parts[number], doubts[number].likelier[row]
        given, likely = (
            class_text(examined.name(label))
            for label in (part.labels[row], votes.classes[other])
        )
        return f"{part.cite(row)}: {given}, probably {likely}"

    return _report(
        code,
        examined,
        [doubt.flags for doubt in doubts],
        "probably labelled wrongly: the most similar training photos and a classifier "
        "trained on the remaining photos agree on another class. Look at them, and "
        f"correct the labels that are wrong.{said}",
        f"No label is clearly contradicted by the other photos.{said}",
        describe,
    )


def _describe_unchecked(examined: ExaminedSet, doubts: LabelDoubts, which: str) -> str:
    """Return which labels of a part were not checked, and why; "" if all were."""
    if not doubts.recognised >= LEAST_RECOGNISED:
        return (
            f"Labels of {which}photos were not checked: only "
            f"{100 * doubts.recognised:.0f} % of them can be recognised from the "
            f"training photos (mean over classes; {100 * LEAST_RECOGNISED:.0f} % are "
            "needed)."
        )
    if not doubts.unclear:
        return ""
    classes = examined.votes.classes
    names = [class_text(examined.name(classes[k])) for k in doubts.unclear]
    return (
        f"Labels of {which}photos of these classes were not checked, because there are "
        f"too few or they look like other classes: {list_some(names)}."
    )


PHOTO_CHECKS: dict[str, Callable[[ExaminedSet], Finding]] = {
    **{code: partial(_find_odd_light, code) for code in LIMITS},
    "BG119": partial(_find_odd_shape, "BG119"),
    "BG120": partial(_find_odd_shape, "BG120"),
    "BG121": partial(_find_odd_colour, "BG121"),
    "BG122": partial(_find_outliers, "BG122"),
    "BG123": partial(_find_wrong_labels, "BG123"),
}
