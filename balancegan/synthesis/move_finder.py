"""Finds out which moves keep the class: whether images may be mirrored or turned.

Judges are trained on the real images, each without a third of them, and are asked about
that third, unmoved and moved. A class bears a move if its moved images are recognised
as well. If they are not, a move may change the class (a mirrored b is a d), or moved
images are only unfamiliar (all shoes of a set point to the left). So a move that most
classes bear is tried once more, with judges that are trained on moved images, too:
these learn what is unfamiliar, and still confuse what is another class.

A move is allowed for all classes or for none, since a move of some classes only would
be a sign of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from balancegan.attributes import Attributes
from balancegan.images import ImageFormat
from balancegan.memory import take_rows
from balancegan.progress import show_progress
from balancegan.synthesis.crossfit import N_FOLDS, CrossFittedJudge
from balancegan.synthesis.moved import (
    HALF_TURN,
    MIRRORED,
    QUARTER_TURN,
    SHIFTED,
    turn_image,
)
from balancegan.synthesis.nearness import CHUNK, shrink

MOST_IMAGES = 3_000  # that judges are trained on and asked about
MARGIN = 0.1  # of the images of a class: so many fewer may be recognised when moved
FULL_WEIGHT = 20  # images; a class of fewer has less say
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
    """Which moves keep the class, and what says so.

    Attributes
    ----------
    allowed : tuple of str
        How copies may be moved. "shift" always is.
    table : DataFrame
        A row for each move and class. "n": its images that judges were asked about.
        "recognised": the share of them that is recognised unmoved, "recognised_moved"
        moved, "recognised_familiar" moved, by judges that were trained on moved images,
        too (NaN: not asked). "passes": whether moved images are recognised as well; NA
        if too few are recognised unmoved to say.
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
    """Find out which moves keep the class of images.

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
    trial = Trial(versions, class_indices[rows], attributes, seed)
    tables, allowed = [], []
    with show_progress("Finding moves", visible=show, books_time=False):
        judge = trial.train([None])
        unmoved = trial.recognise(judge, None)
        for move in versions.moves:
            moved = trial.recognise(judge, move)
            table = compare(trial.classes, unmoved, moved)
            is_borne = _is_borne(table)
            if is_borne and table["passes"].eq(False).any():
                familiar = trial.recognise(trial.train([None, move]), move)
                table = compare(trial.classes, unmoved, moved, familiar)
            if is_borne and not table["passes"].eq(False).any():
                allowed.append(move)
            table.insert(0, "move", move)
            tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table["class"] = table["class"].map(attributes.label)
    sentence = _describe(table, versions.moves, allowed)
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
    """Images that judges are trained on and asked about.

    Parameters
    ----------
    versions : Versions
        Of the images.
    classes : ndarray of shape (n,), int
        Their classes.
    attributes : Attributes
        What these stand for.
    seed : int
        Seed.
    """

    def __init__(
        self, versions: Versions, classes: np.ndarray, attributes: Attributes, seed: int
    ) -> None:
        self.versions, self.classes = versions, classes
        self.attributes, self.seed = attributes, seed

    def train(self, moves: Sequence[str | None]) -> CrossFittedJudge:
        """Return judges trained on the images moved in each of some ways."""
        # Judges ask a format for no more than `Versions` has
        judge = CrossFittedJudge(self.versions, self.attributes.sizes, self.seed)
        numbers = np.concatenate([self.versions.numbers(move) for move in moves])
        classes = np.tile(self.classes, len(moves))
        judge.train(numbers, classes, groups=numbers % len(self.classes))
        return judge

    def recognise(self, judge: CrossFittedJudge, move: str | None) -> np.ndarray:
        """Return which moved images the judge that has not seen them recognises.

        1.0: recognised, 0.0: not, NaN: every judge has seen the image.
        """
        folds = judge.folds[: len(self.classes)]
        numbers, found = self.versions.numbers(move), np.full(len(folds), np.nan)
        for fold in range(N_FOLDS):
            rows = np.flatnonzero(folds == fold)
            found[rows] = judge.ask(fold, numbers[rows], self.classes[rows]).agrees
        return found


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
    """Return whether it is recognised as well, but for MARGIN and a standard error."""
    lost = unmoved - moved
    error = lost.std() / np.sqrt(len(lost))
    return bool(lost.mean() <= MARGIN + error)


def _is_borne(table: pd.DataFrame) -> bool:
    """Return whether most classes that say anything bear a move."""
    says = table["passes"].notna()
    weights = table["n"].clip(upper=FULL_WEIGHT).where(says, 0)
    return bool(weights[table["passes"].eq(True)].sum() > weights.sum() / 2)


def _describe(table: pd.DataFrame, moves: Sequence[str], allowed: Sequence[str]) -> str:
    """Return the outcome in one line."""
    if not table["passes"].notna().any():
        return (
            "Copies are only shifted: too few real images are recognised to find out "
            "whether they may be mirrored or turned."
        )
    said = "Copies are only shifted."
    if allowed:
        may = " and ".join(TESTED[move] for move in allowed)
        said = f"Copies may be {may}: they are recognised as well as unmoved images."
    refused = []
    for move in moves:
        if move not in allowed:
            passes = table.loc[table["move"] == move, "passes"]
            n_failed, n_known = passes.eq(False).sum(), passes.notna().sum()
            refused.append(f"{n_failed} of {n_known} classes if {TESTED[move]}")
    return f"{said} Recognised less: {', '.join(refused)}." if refused else said


def _draw_rows(class_indices: np.ndarray, seed: int) -> np.ndarray:
    """Return at most about 3,000 rows; of large classes the same number."""
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
