"""Test which moves keep the class: whether images may be mirrored or turned.

Judges are trained on the real images, each without a third of them, and classify that
third, unmoved and moved. Near copies (exposures of one object, frames of one
scene) are held out together: a judge that has seen one of them recognises the rest only
unmoved. A class tolerates a move if its moved images are recognised as well. If they
are not, a move may change the class (a mirrored b is a d), or moved images are only
unfamiliar (all shoes of a set point to the left). So a move that most
classes tolerate is tested again, with judges that are also trained on moved images:
these learn what is unfamiliar, and still confuse what is another class.

A move is allowed for all classes or for none: a move of some classes only would
identify them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from balancegan.attributes import Attributes
from balancegan.images import ImageFormat
from balancegan.memory import take_rows
from balancegan.progress import show_progress
from balancegan.quality.class_likeness import CHUNK, number_near_copies, shrink
from balancegan.quality.judges import N_FOLDS, CrossFittedJudge
from balancegan.samplers.copies import (
    HALF_TURN,
    MIRRORED,
    QUARTER_TURN,
    SHIFTED,
    turn_image,
)

MOST_IMAGES = 3_000  # that judges are trained and tested on
MARGIN = 0.1  # share of a class that may no longer be recognised when moved
FULL_WEIGHT = 20  # images; smaller classes have less weight
LEAST_KNOWN = 1 / 3  # of the weight must be in recognised classes
COLUMNS = (
    "class",
    "n",
    "recognised",
    "recognised_moved",
    "recognised_familiar",
    "passes",
)
TESTED = {
    MIRRORED: "mirrored",
    HALF_TURN: "turned by 180 degrees",
    QUARTER_TURN: "turned by 90 degrees",
}


@dataclass(frozen=True, eq=False)
class FoundMoves:
    """Which moves keep the class, and the evidence.

    Attributes
    ----------
    allowed : tuple of str
        How copies may be moved. "shift" always is.
    table : DataFrame
        A row for each move and class. "n": number of its images that were classified.
        "recognised": share of them recognised unmoved, "recognised_moved" moved,
        "recognised_familiar" moved, by judges also trained on moved images (NaN: not
        tested). "passes": whether moved images are recognised as well; NA if too few
        are recognised unmoved.
    sentence : str
        The outcome in one line.
    """

    allowed: tuple[str, ...]
    table: pd.DataFrame
    sentence: str


def find_moves(
    images: np.ndarray,
    class_indices: np.ndarray,
    image_format: ImageFormat,
    attributes: Attributes,
    seed: int,
    *,
    show: bool = False,
) -> FoundMoves:
    """Test which moves keep the class of images.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Real images, in the user's layout and range.
    class_indices : ndarray of shape (n,), int
        Their classes; of several attributes, of their combinations.
    image_format : ImageFormat
        Of the images.
    attributes : Attributes
        What class indices stand for.
    seed : int
        Seed.
    show : bool, default=False
        Whether to show progress on stderr.
    """
    rows = _draw_rows(class_indices, seed)
    versions = Versions(take_rows(images, rows), image_format)
    classes = class_indices[rows]
    groups, n_chained = group_near_copies(versions.images, classes)
    trial = Trial(versions, classes, groups, attributes, seed)
    tables, allowed = [], []
    with show_progress("Finding moves", visible=show, books_time=False):
        judge = trial.train([None])
        unmoved = trial.recognise(judge, None)
        for move in versions.moves:
            moved = trial.recognise(judge, move)
            table = compare(classes, unmoved, moved)
            is_borne = _is_borne(table)
            if is_borne and table["passes"].eq(False).any():
                familiar = trial.recognise(trial.train([None, move]), move)
                table = compare(classes, unmoved, moved, familiar)
            if is_borne and not table["passes"].eq(False).any():
                allowed.append(move)
            table.insert(0, "move", move)
            tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table["class"] = table["class"].map(attributes.label)
    sentence = _describe(table, versions.moves, allowed, n_chained)
    return FoundMoves((SHIFTED, *allowed), table, sentence)


class Versions:
    """Small images, unmoved and moved; number v * n + i is version v of image i.

    Judges take it for an image format, and the numbers for images.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    image_format : ImageFormat
        Of the images.

    Attributes
    ----------
    moves : list of str
        How they are moved. Oblong images are not turned by 90 degrees.
    """

    def __init__(self, images: np.ndarray, image_format: ImageFormat) -> None:
        chunks = [
            shrink(image_format.to_model_range(images[start : start + CHUNK]))
            for start in range(0, len(images), CHUNK)
        ]
        self.images = np.concatenate(chunks)
        height, width, channels = self.images.shape[1:]
        self.image_shape = (height, width, channels)
        is_square = height == width
        self.moves = [move for move in TESTED if move != QUARTER_TURN or is_square]

    def numbers(self, move: str | None) -> np.ndarray:
        """Return the numbers of all images moved in one way, or unmoved."""
        version = 0 if move is None else 1 + self.moves.index(move)
        return version * len(self.images) + np.arange(len(self.images))

    def to_model_range(self, numbers: np.ndarray) -> np.ndarray:
        """Return images of shape (m, height, width, channels), float32 in [-1, 1]."""
        n = len(self.images)
        return np.stack([self._make(*divmod(k, n)) for k in numbers.tolist()])

    def _make(self, version: int, row: int) -> np.ndarray:
        image: np.ndarray = self.images[row]
        if not version:
            return image
        move = self.moves[version - 1]
        turns = {MIRRORED: 0, HALF_TURN: 2, QUARTER_TURN: 1 + 2 * (row % 2)}[move]
        return turn_image(image, turns, is_mirrored=move == MIRRORED)


class Trial:
    """Images that judges are trained and tested on.

    Parameters
    ----------
    versions : Versions
        Of the images.
    classes : ndarray of shape (n,), int
        Their classes.
    groups : ndarray of shape (n,), int
        Images of one number are held out together.
    attributes : Attributes
        What classes stand for.
    seed : int
        Seed.
    """

    def __init__(
        self,
        versions: Versions,
        classes: np.ndarray,
        groups: np.ndarray,
        attributes: Attributes,
        seed: int,
    ) -> None:
        self.versions, self.classes, self.groups = versions, classes, groups
        self.attributes, self.seed = attributes, seed

    def train(self, moves: Sequence[str | None]) -> CrossFittedJudge:
        """Return judges trained on the images moved in each of some ways."""
        # Judges ask a format for no more than `Versions` has
        judge = CrossFittedJudge(self.versions, self.attributes.sizes, self.seed)
        numbers = np.concatenate([self.versions.numbers(move) for move in moves])
        classes, groups = (np.tile(a, len(moves)) for a in (self.classes, self.groups))
        judge.train(numbers, classes, groups=groups)
        return judge

    def recognise(self, judge: CrossFittedJudge, move: str | None) -> np.ndarray:
        """Return which moved images the judge that has not seen them recognises.

        1.0: recognised, 0.0: not, NaN: every judge has seen the image.
        """
        folds = judge.folds[: len(self.classes)]
        numbers, found = self.versions.numbers(move), np.full(len(folds), np.nan)
        for fold in range(N_FOLDS):
            rows = np.flatnonzero(folds == fold)
            found[rows] = judge.judge_by(fold, numbers[rows], self.classes[rows]).agrees
        return found


def group_near_copies(
    images: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, int]:
    """Return group numbers of near copies of one class, and how many have none.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), float32
        As `shrink` returns them.
    classes : ndarray of shape (n,), int
        Their classes.

    Returns
    -------
    groups : ndarray of shape (n,), int
        The first row of each image's group.
    n_chained : int
        Classes of which more than half would be one group. These images are alone.
    """
    groups, n_chained = np.arange(len(images)), 0
    for index in np.unique(classes):
        rows = np.flatnonzero(classes == index)
        numbers, is_chained = number_near_copies(images[rows])
        groups[rows] = rows[numbers]
        n_chained += is_chained
    return groups, n_chained


def compare(
    classes: np.ndarray,
    unmoved: np.ndarray,
    moved: np.ndarray,
    familiar: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return for each class whether its moved images are recognised as well.

    Parameters
    ----------
    classes : ndarray of shape (n,), int
        Of the images.
    unmoved, moved : ndarray of shape (n,), float
        Which are recognised, see :meth:`Trial.recognise`.
    familiar : ndarray of shape (n,), float, or None, default=None
        Which moved ones are, by judges that were trained on moved images, too.

    Returns
    -------
    table : DataFrame
        See :class:`FoundMoves`; without the column "move".
    """
    present = np.unique(classes)
    least = (1 + 1 / len(present)) / 2  # nearer to all than to what chance recognises
    rows = []
    for index in present:
        own = (classes == index) & ~np.isnan(unmoved)
        parts = [None if each is None else each[own] for each in (moved, familiar)]
        shares = [
            float(each.mean()) if each is not None and len(each) else np.nan
            for each in (unmoved[own], *parts)
        ]
        passes: bool | None = None
        if shares[0] >= least:
            passes = any(
                _is_as_good(unmoved[own], each) for each in parts if each is not None
            )
        rows.append([index, int(own.sum()), *shares, passes])
    return pd.DataFrame(rows, columns=COLUMNS)


def _is_as_good(unmoved: np.ndarray, moved: np.ndarray) -> bool:
    """Return whether moved images are recognised as well, within MARGIN."""
    lost = unmoved - moved
    error = lost.std() / np.sqrt(len(lost))
    return bool(lost.mean() <= MARGIN + error)


def _is_borne(table: pd.DataFrame) -> bool:
    """Return whether most informative classes tolerate a move, and enough do."""
    weights = table["n"].clip(upper=FULL_WEIGHT)
    passing = weights[table["passes"].eq(True)].sum()
    return _is_known(table) and bool(
        passing > weights[table["passes"].notna()].sum() / 2
    )


def _is_known(table: pd.DataFrame) -> bool:
    """Return whether enough classes are recognised unmoved, of one move or of each."""
    weights = table["n"].clip(upper=FULL_WEIGHT)
    known = weights[table["passes"].notna()].sum()
    return bool(known >= LEAST_KNOWN * weights.sum() and known > 0)


def _describe(
    table: pd.DataFrame, moves: Sequence[str], allowed: Sequence[str], n_chained: int
) -> str:
    """Return the outcome in one line."""
    own = table[table["move"] == moves[0]]  # which classes are known does not depend
    n_classes, n_known = len(own), int(own["passes"].notna().sum())
    if not _is_known(table):
        return (
            "Copies are only shifted: too few real images are recognised to find out "
            "whether they may be mirrored or turned (classes that are recognised: "
            f"{n_known} of {n_classes})."
        )
    said = "Copies are only shifted."
    if allowed:
        may = " and ".join(TESTED[move] for move in allowed)
        said = (
            f"Copies may be {may}: they are recognised as well as unmoved images "
            f"in {n_known} of {n_classes} classes."
        )
    refused = []
    for move in moves:
        if move not in allowed:
            n_failed = table.loc[table["move"] == move, "passes"].eq(False).sum()
            refused.append(f"{n_failed} of {n_known} classes if {TESTED[move]}")
    sentences = [said]
    if refused:
        sentences.append(f"Recognised less: {', '.join(refused)}.")
    if n_known < n_classes:
        sentences.append(
            f"Recognised too rarely to tell: {n_classes - n_known} of {n_classes} "
            "classes."
        )
    if n_chained and len(allowed) < len(moves):
        sentences.append(
            "This is less certain where most images are near copies of one another: "
            f"in {n_chained} of {n_classes} classes."
        )
    return " ".join(sentences)


def _draw_rows(class_indices: np.ndarray, seed: int) -> np.ndarray:
    """Return at most about 3,000 rows, equally many of large classes."""
    counts = np.bincount(class_indices)
    most = int(counts.max())
    while np.minimum(counts, most).sum() > MOST_IMAGES and most > FULL_WEIGHT:
        most -= max(1, most // 20)
    rng = np.random.default_rng(seed)
    drawn = [
        rng.permutation(np.flatnonzero(class_indices == index))[:most]
        for index in np.flatnonzero(counts)
    ]
    return np.sort(np.concatenate(drawn))
