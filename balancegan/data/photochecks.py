"""Checks of photos at their own size: light, sharpness, shape, colour, labels.

A photo is compared with fixed limits, chosen on folders with planted faults
(`benchmarks/inspection.py`), and with the median of the training part. Where half of
the training photos are beyond a fixed limit, it says what the set shows, and only the
median counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from balancegan.balance import class_text
from balancegan.data.evidence import Evidence
from balancegan.data.findings import Finding, list_some, make_finding
from balancegan.data.measures import Measures
from balancegan.data.neighbours import (
    LEAST_OF_CLASS,
    LEAST_RECOGNISED,
    N_NEIGHBOURS,
    Doubt,
    Neighbours,
    doubt_labels,
    find_neighbours,
)

# Odd shapes and sizes: by what factor they differ from the median, and from most: as
# many interquartile ranges beyond the quartiles (Tukey's far out values are 3)
ODD_SHAPE, ODD_SIZE, FAR_OUT = 2.0, 2.5, 3.0
# or, in a set of many sizes: the ratio of the sides, the factor from the median
EXTREME_SHAPE, EXTREME_SIZE = 3.0, 4.0
SHARE_OF_LITTLE = 0.35  # of the median, where most photos are beyond a fixed limit
LEAST_COLOUR, SOME_COLOUR = 1 / 255, 5 / 255  # grey up to here; in colour from here
MOST_COMPARED = 10_000
OUTLYING = 3.0  # in interquartile ranges beyond the upper quartile


def _relative_contrast(dark: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Return contrast as a share of what it can be: dark photos are no flat ones."""
    return (light - dark) / np.maximum(np.minimum(light, 1 - dark), 1 / 255)


@dataclass(frozen=True)
class Limit:
    """Below what a photo is odd, of a measure that odd photos have little of."""

    measure: Callable[[Measures], np.ndarray]
    fixed: float
    share: float  # of the median
    fault: str
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
        "Classifiers see little in them. Relight or remove them.",
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


def find_odd_light(code: str, evidence: Evidence) -> Finding:
    """Find photos that are dark, bright, of low contrast or blurred (BG115 to 118)."""
    if evidence.photo_refusal:
        return make_finding(code, *evidence.photo_refusal)
    limit = LIMITS[code]
    measured = [limit.measure(measures) for measures in evidence.measures]
    bound, is_fixed = limit.find(measured[0])
    odd = [values < bound for values in measured]
    about = (
        f"{limit.fault} {bound:.3g}{limit.unit} (median {np.median(measured[0]):.3g})."
    )
    if not is_fixed:
        about += " The set is like that as a whole, so only the median counts."
    passed = limit.passed if is_fixed else f"{limit.passed[:-1]} compared with the set."
    return _report(code, evidence, odd, about, limit.advice, passed)


def _report(
    code: str,
    evidence: Evidence,
    odd: list[np.ndarray],
    about: str,
    advice: str,
    passed: str,
    describe: Callable[[int, int], str] | None = None,
) -> Finding:
    """Return a tip that names the odd photos of both parts, or that there are none.

    `describe` says what to call a photo, by the number of its part and its row.
    """
    call = describe or (lambda number, row: evidence.parts[number].cite(row))
    # Constant images and bad values are said elsewhere
    rows = [
        part.sound[flags[part.sound]]
        for part, flags in zip(evidence.parts, odd, strict=True)
    ]
    texts = [
        f"{len(found):,} {part.which or 'training '}"
        f"{'image' if len(found) == 1 else 'images'} "
        f"({list_some([call(number, row) for row in found.tolist()])})"
        for number, (part, found) in enumerate(zip(evidence.parts, rows, strict=True))
        if len(found)
    ]
    if not texts:
        return make_finding(code, "passed", passed)
    n = sum(map(len, rows))
    verb = "is" if n == 1 else "are"
    return make_finding(
        code, "tip", f"{' and '.join(texts)} {verb} {about} {advice}", *rows
    )


def find_odd_shape(code: str, evidence: Evidence) -> Finding:
    """Find photos whose aspect ratio or size is far from the set's (BG119, BG120)."""
    if any(part.part.sizes is None for part in evidence.parts):
        message = "The images come in one size."
        return make_finding(code, "not applicable", message)
    sizes = [np.asarray(part.part.sizes, dtype=float) for part in evidence.parts]
    if code == "BG119":
        factor, values = ODD_SHAPE, [np.log(s[:, 1] / s[:, 0]) for s in sizes]
        usual = f"{np.exp(np.median(values[0])):.2f} (width / height)"
        about = f"of an odd aspect ratio: the usual one is {usual}."
        advice = "Brought to one size they are distorted, padded or cut: crop them."
        passed = "No aspect ratio is far from the others."
    else:
        factor, values = ODD_SIZE, [np.log(s.prod(axis=1)) / 2 for s in sizes]
        side = np.exp(np.median(values[0]))
        about = f"of an odd size: the usual one is about {side:.0f} pixels a side."
        advice = "Small ones are blurred when enlarged: are they of another source?"
        passed = "No size is far from the others."
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
    return _report(code, evidence, far, about, advice, passed)


def find_odd_colour(code: str, evidence: Evidence) -> Finding:
    """Find grey photos among ones in colour, and the other way round (BG121)."""
    if evidence.photo_refusal:
        return make_finding(code, *evidence.photo_refusal)
    colour = [measures.colour for measures in evidence.measures]
    if np.median(colour[0]) > LEAST_COLOUR:
        odd = [values <= LEAST_COLOUR for values in colour]
        about, passed = "grey among photos in colour.", "Every photo is in colour."
    else:
        odd = [values >= SOME_COLOUR for values in colour]
        about, passed = "in colour among grey photos.", "Every photo is grey."
    advice = "A class with most of them is recognised by that: make all photos alike."
    return _report(code, evidence, odd, about, advice, passed)


def find_outliers(code: str, evidence: Evidence) -> Finding:
    """Find photos unlike any other of their class (BG122)."""
    refusal = _refuse_comparing(evidence)
    if refusal is not None:
        return make_finding(code, *refusal)
    strangeness = _compare(evidence).strangeness
    if not np.isfinite(strangeness[0]).any():
        message = f"No class has {LEAST_OF_CLASS} photos, which this takes."
        return make_finding(code, "not run", message)
    odd = [np.nan_to_num(values) > OUTLYING for values in strangeness]
    unsaid = _say_small(evidence)
    about = "unlike other photos of the same class in colours and shapes."
    advice = f"Check that they belong to it.{unsaid}"
    passed = f"No photo is unlike all others of its class.{unsaid}"
    return _report(code, evidence, odd, about, advice, passed)


def find_wrong_labels(code: str, evidence: Evidence) -> Finding:
    """Find photos that the other photos give another label (BG123)."""
    refusal = _refuse_comparing(evidence)
    if refusal is not None:
        return make_finding(code, *refusal)
    found = _compare(evidence)
    doubts = [
        doubt_labels(part.labels, votes, found.classes)
        for part, votes in zip(evidence.parts, found.votes, strict=True)
    ]
    unsaid = [
        text
        for part, doubt in zip(evidence.parts, doubts, strict=True)
        if (text := _say_unclear(evidence, doubt, part.which or "training "))
    ]
    if not doubts[0].recognised >= LEAST_RECOGNISED:
        return make_finding(code, "not run", unsaid[0])
    said = "".join(f" {text}" for text in unsaid)

    def describe(number: int, row: int) -> str:
        """Return a photo with its label and the likelier one."""
        part, other = evidence.parts[number], doubts[number].likelier[row]
        given, likely = (
            class_text(evidence.name(label))
            for label in (part.labels[row], found.classes[other])
        )
        return f"{part.cite(row)}: {given}, probably {likely}"

    return _report(
        code,
        evidence,
        [doubt.flags for doubt in doubts],
        "probably labelled wrongly: the most similar training photos and a classifier "
        "trained on the remaining photos agree on another class.",
        f"Look at them, and correct the labels that are wrong.{said}",
        f"No label is clearly contradicted by the other photos.{said}",
        describe,
    )


def _say_unclear(evidence: Evidence, doubt: Doubt, which: str) -> str:
    """Return which labels of a part were not checked, and why; "" if all were."""
    # Shots of one object tell training labels, and not those of test photos
    if not doubt.recognised >= LEAST_RECOGNISED:
        return (
            f"Labels of {which}photos were not checked: only "
            f"{100 * doubt.recognised:.0f} % of them can be recognised from the "
            f"training photos (mean over classes; {100 * LEAST_RECOGNISED:.0f} % are "
            "needed)."
        )
    if not doubt.unclear:
        return ""
    classes = _compare(evidence).classes
    names = [class_text(evidence.name(classes[k])) for k in doubt.unclear]
    return (
        f"Labels of {which}photos of these classes were not checked, because there are "
        f"too few or they look like other classes: {list_some(names)}."
    )


def _refuse_comparing(evidence: Evidence) -> tuple | None:
    if evidence.photo_refusal:
        return evidence.photo_refusal
    n = len(evidence.train.sound)
    if len(evidence.counts) < 1 or n <= N_NEIGHBOURS + 1:
        return "not run", f"{n} photos are too few to be compared."
    if n > MOST_COMPARED:
        return "not run", (
            f"{n:,} training photos are more than {MOST_COMPARED:,}, which takes "
            "minutes: inspect a part of them."
        )
    return None


def _say_small(evidence: Evidence) -> str:
    small = [label for label, n in evidence.counts.items() if n < LEAST_OF_CLASS]
    if not small:
        return ""
    names = list_some([class_text(evidence.name(label)) for label in small])
    return f" Classes that were not checked, because they have too few photos: {names}."


def _compare(evidence: Evidence) -> Neighbours:
    """Compare photos by colours and shapes with the training photos, once."""
    if evidence.neighbours is None:
        evidence.neighbours = find_neighbours(evidence)
    return evidence.neighbours


PHOTO_CHECKS: dict[str, Callable[[str, Evidence], Finding]] = {
    **dict.fromkeys(LIMITS, find_odd_light),
    "BG119": find_odd_shape,
    "BG120": find_odd_shape,
    "BG121": find_odd_colour,
    "BG122": find_outliers,
    "BG123": find_wrong_labels,
}
