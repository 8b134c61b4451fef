"""Findings of checks: their codes, titles and outcomes, for all checks of the package.

A check that could not be made ends as "not run" or "not applicable", never as "passed".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["issue", "tip", "passed", "not applicable", "not run"]
OUTCOMES: tuple[Outcome, ...] = ("issue", "tip", "not run", "passed", "not applicable")
FOUND = ("issue", "tip")

TITLES = {
    # Comparisons
    "BG001": "Copied images",
    "BG002": "Collapsed class",
    "BG003": "Wrong-looking images",
    "BG004": "Test images in training",
    "BG005": "Too few real images to judge",
    "BG006": "No gain",
    "BG007": "Simpler methods",
    # Image sets
    "BG101": "Values out of range",
    "BG102": "Constant images",
    "BG103": "Unequal sizes",
    "BG104": "Equal images",
    "BG105": "Conflicting labels",
    "BG106": "Test images in training",
    "BG107": "Nearly equal images",
    "BG108": "Test images nearly in training",
    "BG109": "Groups in both parts",
    "BG110": "Small classes",
    "BG111": "Classes of one part only",
    "BG112": "High imbalance",
    "BG113": "Conflicting test labels",
    "BG114": "Conflicting labels across parts",
    # Photos at their own size
    "BG115": "Dark photos",
    "BG116": "Bright photos",
    "BG117": "Low contrast",
    "BG118": "Blurred photos",
    "BG119": "Odd aspect ratios",
    "BG120": "Odd sizes",
    "BG121": "Grey and colour mixed",
    "BG122": "Outliers of a class",
    "BG123": "Probably wrong labels",
    # Generated images
    "BG201": "Copies of training images",
    "BG202": "Repeated (near-identical) images",
    "BG203": "Images unlike real ones",
    "BG204": "Images of other classes",
    # Written files
    "BG301": "Unequal sharpness",
}
EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """How one check ended.

    Attributes
    ----------
    code : str
        A key of `TITLES`, such as "BG101".
    title : str
        What is looked for.
    outcome : str
        "issue", "tip", "passed", "not applicable" or "not run".
    message : str
        What was found, with counts and examples, and what to do.
    rows, test_rows : tuple of int
        Rows of the training and of the test part that it is about, sorted.
    pairs : tuple of (int, int)
        Rows that belong together: two of the training part (of BG113 of the test
        part), the second being the copy, or one of the training and one of the test
        part.
    method : str or None
        The method of a comparison that it is about. None: the data.

    Examples
    --------
    >>> finding = Finding("BG102", "issue", "2 images are black.", [7, 2])
    >>> finding.title, finding.rows
    ('Constant images', (2, 7))
    """

    code: str
    title: str = field(init=False)
    outcome: Outcome
    message: str
    rows: Iterable[int] = ()
    test_rows: Iterable[int] = ()
    pairs: Iterable[tuple[int, int]] = ()
    method: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Look up the title, and turn rows into plain sorted numbers."""
        known = {
            "title": TITLES[self.code],
            "rows": tuple(sorted({int(row) for row in self.rows})),
            "test_rows": tuple(sorted({int(row) for row in self.test_rows})),
            "pairs": tuple((int(one), int(other)) for one, other in self.pairs),
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with the worst outcome first, otherwise in their order."""
    return sorted(findings, key=lambda finding: OUTCOMES.index(finding.outcome))


def count(n: int, noun: str) -> str:
    """Return a number and its noun.

    Examples
    --------
    >>> count(1, "image"), count(1234, "class")
    ('1 image', '1,234 classes')
    """
    ending = "" if n == 1 else "es" if noun.endswith("s") else "s"
    return f"{n:,} {noun}{ending}"


def list_some(texts: Sequence[str], most: int = EXAMPLES) -> str:
    """Join texts, and say how many were left out.

    Examples
    --------
    >>> list_some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(texts[:most])
    left_out = len(texts) - most
    return f"{shown} and {left_out:,} more" if left_out > 0 else shown
