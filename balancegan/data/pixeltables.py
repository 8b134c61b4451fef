"""Tables whose cells are pixels: a column for each pixel, or all of them in one.

MNIST and FER-2013 are distributed so in CSV files. Pixels are read row by row: height,
width, channels.
"""

import io
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from pandas.errors import ParserWarning

from balancegan.data.labelled import TRAIN, LabelledImages, Part
from balancegan.data.opening import SUFFIXES
from balancegan.data.splits import SPLIT_KEY, find_splits
from balancegan.data.tablecolumns import (
    find_label_column,
    is_usual,
    tidy_labels,
)
from balancegan.data.tables import BLANK, TextTable, note_unnamed
from balancegan.errors import DataError
from balancegan.shapes import guess_shape, shape_flat

FEWEST_PIXELS = 48  # columns of numbers that count as an image
NUMBER = re.compile(r"\s*-?\d+(\.\d*)?(e[+-]?\d+)?\s*", re.IGNORECASE)
# An image in one cell: numbers with blanks or commas between
NUMBERS = re.compile(r"\s*\[?\s*\d+(\.\d*)?(\s*[\s,]\s*\d+(\.\d*)?){15,}\s*\]?\s*")


def has_pixel_columns(text: TextTable) -> bool:
    """Return whether a table has a column for each pixel, and no file names."""
    last = next(iter(text.head()[-1:]), [])
    names_file = any(cell.strip().lower().endswith(SUFFIXES) for cell in last)
    return not names_file and sum(map(_is_number, last)) >= FEWEST_PIXELS


def find_pixel_cells(table: pd.DataFrame) -> str | None:
    """Return the column that has all pixels of an image in each cell; None without."""
    for name in table:
        first = table[name].iloc[0] if len(table) else None
        if isinstance(first, str) and NUMBERS.fullmatch(first):
            return str(name)
    return None


def read_pixel_columns(
    text: TextTable, labels_key: str | None, image_shape: Sequence[int] | None
) -> LabelledImages:
    """Read a table with a column for each pixel, and one of labels.

    Parameters
    ----------
    text : TextTable
        With or without a row of column names.
    labels_key : str or None
        The column of labels. None: found by its name, or the first or last one.
    image_shape : sequence of int or None
        Of an image. None: square, grey or of three channels.
    """
    has_header = _has_header(text.head()[0])
    table = _read_numbers(text, has_header)
    notes = list(text.notes)
    if not has_header:
        notes.append(note_unnamed(text.path, table.shape[1]))
    pixels = _pixel_names([str(name) for name in table], labels_key, has_header)
    if not has_header:
        pixels = _without_label(text.path, table, pixels, labels_key)
    rest = table.drop(columns=pixels)
    values = table[pixels]
    wrong = [name for name in pixels if not is_numeric_dtype(values[name])]
    if wrong:
        raise DataError(
            f"Pixels are numbers. Received: other values in {wrong[0]}, one of "
            f"{len(pixels)} columns of pixels in {text.path}."
        )
    images = _to_integers(values.to_numpy())
    return _make_labelled(text.path, rest, images, labels_key, image_shape, notes)


def read_pixel_cells(
    path: Path,
    table: pd.DataFrame,
    notes: list[str],
    column: str,
    labels_key: str | None,
    image_shape: Sequence[int] | None,
) -> LabelledImages:
    """Read a table with a column that has all pixels of an image in each cell."""
    rows = []
    for number, cell in enumerate(table[column], start=1):
        try:
            rows.append(
                [float(value) for value in re.split(r"[\s,]+", cell.strip(" []"))]
            )
        except (ValueError, AttributeError) as error:
            raise DataError(
                f"The column {column} of {path} has numbers, which are pixels. "
                f"Received: {str(cell)[:40]!r} in row {number}."
            ) from error
        if len(rows[-1]) != len(rows[0]):
            raise DataError(
                f"All images of {path} need the same number of pixels. Received: "
                f"{len(rows[0])} in row 1, {len(rows[-1])} in row {number}."
            )
    images = _to_integers(np.array(rows))
    rest = table.drop(columns=[column])
    return _make_labelled(path, rest, images, labels_key, image_shape, notes)


def _make_labelled(
    path: Path,
    table: pd.DataFrame,
    flat: np.ndarray,
    labels_key: str | None,
    image_shape: Sequence[int] | None,
    notes: list[str],
) -> LabelledImages:
    """Return labelled images from flat ones and the remaining columns of the table."""
    if not len(flat):
        raise DataError(f"{path} has no image.")
    images = shape_flat(path, flat, image_shape or guess_shape(flat.shape[1]))
    splits, more = find_splits(path, table, [labels_key])
    notes = [*notes, *more]
    if labels_key is not None and labels_key not in table:
        raise DataError(
            f"{path} needs a column {labels_key} (--labels-key). Received next to the "
            f"pixels: {', '.join(map(str, table)) or 'none'}."
        )
    if splits is not None:
        table, notes = table.drop(columns=splits.columns), [*notes, *splits.notes]
    label = labels_key
    if label is None:
        table, label, more = find_label_column(path, table, None)
        notes += more
    labels, more = tidy_labels(table[label].astype(str))
    if (labels == "").any() or table[label].isna().any():
        raise DataError(f"Every row of {path} needs a label. Received: blank ones.")
    notes += more
    shape = "x".join(map(str, images.shape[1:]))
    notes.append(f"{len(images)} images of {shape} pixels; labels by {label!r}")
    given = [TRAIN] * len(table) if splits is None else splits.values
    columns = table.drop(columns=[label])
    parts = {}
    for name in sorted(set(given), key=lambda s: (s != TRAIN, s)):
        rows = np.array([each == name for each in given])
        some = columns[rows].reset_index(drop=True)
        parts[name] = Part(images[rows], _as_numbers(labels[rows]), some)
    if TRAIN not in parts:
        raise DataError(f"{path} has no training image: {SPLIT_KEY} says {set(given)}.")
    return LabelledImages(path, parts, notes=notes, image_shape=images.shape[1:])


def _as_numbers(labels: pd.Series) -> np.ndarray:
    """Return labels as whole numbers where all of them are, else as texts."""
    is_plain = labels.str.fullmatch(r"0|-?[1-9]\d{0,17}").all()
    return labels.to_numpy(dtype=np.int64 if is_plain else str)


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None


def _has_header(row: list[str]) -> bool:
    """Return whether a row contains names: texts, or distinct numbers.

    Rows of many pixels repeat values.
    """
    return sum(map(_is_number, row)) < FEWEST_PIXELS or len(set(row)) == len(row)


def _read_numbers(text: TextTable, has_header: bool) -> pd.DataFrame:
    """Return the table with numeric columns as numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)  # cells are left out
            table = pd.read_csv(
                io.StringIO(text.text),
                sep=r"\s+" if text.separator == BLANK else text.separator,
                header=0 if has_header else None,
                skipinitialspace=True,
                index_col=False,
                keep_default_na=False,
            )
    except (ValueError, OverflowError, ParserWarning) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{text.path} cannot be read as a table: {reason}") from error
    texts = table.select_dtypes(exclude="number")
    table = table.drop(columns=texts.columns[(texts == "").all()])
    if not has_header:
        return table.rename(columns=lambda k: f"column_{k + 1}")
    return table.rename(columns=lambda name: str(name).strip())


def _pixel_names(
    names: list[str], labels_key: str | None, has_header: bool
) -> list[str]:
    """Return the columns with the most frequent name apart from its number."""
    kinds = {name: re.sub(r"\d+", "0", name) for name in names if name != labels_key}
    if has_header:
        kinds = {n: kind for n, kind in kinds.items() if not is_usual(n)}
    most, _ = Counter(kinds.values()).most_common(1)[0]
    return [name for name, kind in kinds.items() if kind == most]


def _without_label(
    path: Path, table: pd.DataFrame, pixels: list[str], labels_key: str | None
) -> list[str]:
    """Return the columns of pixels of a table without column names.

    The first or last column has the labels; DataError if that is unclear.
    """
    if labels_key is not None:
        return pixels
    texts = [name for name in pixels if not is_numeric_dtype(table[name])]
    if len(texts) == 1:
        return [name for name in pixels if name not in texts]
    if guess_shape(len(pixels)) is not None and guess_shape(len(pixels) - 1) is None:
        raise DataError(
            f"{path} has {len(pixels)} columns of pixels and none of labels. Name a "
            "table that has both; put the labels in the first column."
        )
    ends = [name for name in (pixels[0], pixels[-1]) if table[name].nunique() > 1]
    if len(ends) == 2:
        raise DataError(
            f"Which column of {path} has the labels? Received: {pixels[0]} to "
            f"{pixels[-1]}, without a row of names. Name it by --labels-key, such as "
            f"{pixels[0]}."
        )
    label = ends[0] if ends else pixels[0]
    return [name for name in pixels if name != label]


def _to_integers(values: np.ndarray) -> np.ndarray:
    """Return uint8 if all values fit, else float32; DataError for NaN or infinity."""
    if not np.isfinite(values).all():
        raise DataError("Pixels must be finite numbers. Received: NaN or infinity.")
    if values.min() >= 0 and values.max() <= 255 and (values == np.rint(values)).all():
        return values.astype(np.uint8)
    return values.astype(np.float32)
