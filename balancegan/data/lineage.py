"""The provenance of synthetic images: enough to generate the same image again.

The image file itself carries it, and the table next to it. PNG files have a text for
each fact; JPEG, GIF and JPEG 2000 files a comment, TIFF, WebP and AVIF files a
description with all facts as JSON.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from PIL import Image

from balancegan.data.fitting import FITS, Fit
from balancegan.data.opening import UnusableImage, opened
from balancegan.errors import DataError

# Columns and arrays that are written, and never read as columns
MASK_KEY = "is_synthetic"
NUMBER_KEY, MODEL_KEY = "synthetic_number", "synthetic_model"
METHOD_KEY, SCORE_KEY = "synthetic_method", "synthetic_score"
SOURCE_KEY, MOVE_KEY = "synthetic_source", "synthetic_move"  # of copies
LINEAGE_KEYS = (
    *(MASK_KEY, NUMBER_KEY, MODEL_KEY, METHOD_KEY, SCORE_KEY),
    *(SOURCE_KEY, MOVE_KEY),
)
WEIGHT_KEY = "sample_weight"  # one that the user has is kept

PREFIX = "balancegan:"
SYNTHETIC = f"{PREFIX}synthetic"
ATTRIBUTES, RANGE = f"{PREFIX}attributes", f"{PREFIX}range"
MARK = f'{{"{SYNTHETIC}"'  # the beginning of the JSON
DESCRIPTION = 0x010E  # the tag of EXIF and TIFF
MOST_BYTES = 200  # of a text in a file name, which has at most 255
SIZE = re.compile(r"(?P<height>[1-9]\d{0,4})x(?P<width>[1-9]\d{0,4}) (?P<fit>[a-z]+)")
NUMBER = re.compile(r"\d{1,9}(\.\d{1,17})?(e-\d{1,2})?")
NUMBERS = (f"{PREFIX}score", f"{PREFIX}truncation")


def marked_rows(column: pd.Series) -> np.ndarray:
    """Return where a column says true or 1."""
    return column.astype(str).str.lower().isin(("true", "1")).to_numpy()


def refuse_synthetic(path: Path, mask: np.ndarray | None) -> None:
    """Raise DataError if a mask marks synthetic images."""
    if mask is not None and mask.dtype.kind in "biu" and mask.any():
        raise DataError(
            f"{path} holds synthetic images already ({int(mask.sum())} rows of "
            f"{MASK_KEY}). Use the real images that it was made from."
        )


class Moves(Protocol):
    """How copies among synthetic images are shifted."""

    def apply(self, row: int, image: np.ndarray) -> np.ndarray:
        """Return an image of any size, shifted like the copy in this row."""

    def describe_move(self, row: int, sides: tuple[int, ...]) -> str:
        """Return the shift of a copy with these sides, "" for none."""


@dataclass(frozen=True)
class Lineage:
    """Provenance of one synthetic image.

    Parameters
    ----------
    class_name : str
        Name of its class.
    number : int
        Index among the images of its class and attributes.
    model : str
        Fingerprint of the model that generated it.
    attributes : dict of str to str
        Requested values of further attributes.
    size : tuple of int or None, default=None
        Height and width of the real files. None: it has the model's size.
    fit : str or None, default=None
        How these files were brought to the model's size.
    method : str or None, default=None
        "gan" or a simpler method. None: unknown.
    score : float or None, default=None
        Probability of its class according to the judges. None: not judged.
    truncation : float or None, default=None
        Truncation of the latents. None: none.
    file_range : tuple of int or None, default=None
        Black and white of a file with 16-bit grey. None: it has 8 bits.
    source : str or None, default=None
        Name of the copied file. None: it is no copy.
    move : str, default=""
        Shift of a copy. "": none.
    """

    class_name: str
    number: int
    model: str
    attributes: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    fit: Fit | None = None
    method: str | None = None
    score: float | None = None
    truncation: float | None = None
    file_range: tuple[int, int] | None = None
    source: str | None = None
    move: str = ""

    def texts(self) -> dict[str, str]:
        """Return the texts that its file carries.

        Examples
        --------
        >>> lineage = Lineage("bag", 7, "1f", {"shade": "dark"}, (60, 80), "pad")
        >>> lineage.texts()["balancegan:size"]
        '60x80 pad'
        >>> Lineage.from_texts(lineage.texts()) == lineage
        True
        """
        texts = {
            SYNTHETIC: "true",
            f"{PREFIX}class": self.class_name,
            f"{PREFIX}number": str(self.number),
            f"{PREFIX}model": self.model,
        }
        if self.attributes:
            texts[ATTRIBUTES] = json.dumps(self.attributes, ensure_ascii=False)
        if self.size is not None:
            texts[f"{PREFIX}size"] = f"{self.size[0]}x{self.size[1]} {self.fit}"
        if self.method is not None:
            texts[f"{PREFIX}method"] = self.method
        if self.score is not None:
            texts[f"{PREFIX}score"] = repr(round(self.score, 6))
        if self.truncation is not None:
            texts[f"{PREFIX}truncation"] = repr(float(self.truncation))
        if self.file_range is not None:
            texts[RANGE] = "{} {}".format(*self.file_range)
        if self.source is not None:
            source = self.source.encode(errors="replace").decode()
            texts[f"{PREFIX}source"] = source
        if self.move:
            texts[f"{PREFIX}move"] = self.move
        return texts

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Self:
        """Return the lineage from the texts of a file; DataError if there is none."""
        number = texts.get(f"{PREFIX}number", "")
        attributes = _read_texts(texts.get(ATTRIBUTES, "{}"))
        size = SIZE.fullmatch(texts.get(f"{PREFIX}size", "1x1 pad"))
        ends = _read_range(texts.get(RANGE, "0 1"))
        if (
            not {f"{PREFIX}class", f"{PREFIX}model"} <= texts.keys()
            or not re.fullmatch(r"\d{1,15}", number)
            or attributes is None
            or size is None
            or ends is None
            or size["fit"] not in FITS
            or not all(NUMBER.fullmatch(texts.get(key, "0")) for key in NUMBERS)
        ):
            raise DataError(
                "The file contains no balancegan provenance metadata. Expected: an "
                f"image that balancegan wrote, with {PREFIX}class, {PREFIX}number and "
                f"{PREFIX}model. Received: {', '.join(sorted(texts)) or 'nothing'}."
            )
        has_size = f"{PREFIX}size" in texts
        scores = [float(texts[key]) if key in texts else None for key in NUMBERS]
        return cls(
            texts[f"{PREFIX}class"],
            int(number),
            texts[f"{PREFIX}model"],
            attributes,
            (int(size["height"]), int(size["width"])) if has_size else None,
            next(fit for fit in FITS if fit == size["fit"]) if has_size else None,
            texts.get(f"{PREFIX}method"),
            scores[0],
            scores[1],
            ends if RANGE in texts else None,
            texts.get(f"{PREFIX}source"),
            texts.get(f"{PREFIX}move", ""),
        )

    def stem(self, folder: str) -> str:
        """Return a file name without suffix; `folder` is the class as part of one.

        Examples
        --------
        >>> Lineage("a/b", 7, "1f", {"shade": "dark"}).stem("a_b")
        'synthetic_a_b_dark_000007'
        >>> Lineage("a/b", 7, "1f", source="a/b/photo 3.jpg").stem("a_b")
        'copy_000007_of_photo 3'
        """
        if self.source is not None:
            return f"copy_{self.number:06d}_of_{shortened(PurePath(self.source).stem)}"
        values = [safe_name(value) for value in self.attributes.values()]
        how = [] if self.method in (None, "gan") else [self.method]
        return "_".join(["synthetic", *how, folder, *values, f"{self.number:06d}"])


def _read_texts(text: str) -> dict[str, str] | None:
    """Return a JSON object of texts, None for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    plain = isinstance(found, dict) and all(isinstance(v, str) for v in found.values())
    return found if plain else None


def _read_range(text: str) -> tuple[int, int] | None:
    """Return two 16-bit numbers in order, None for any other text."""
    if not re.fullmatch(r"\d{1,5} \d{1,5}", text, re.ASCII):
        return None
    low, high = map(int, text.split())
    return (low, high) if low < high < 2**16 else None


def texts_in(image: Image.Image) -> dict[str, str]:
    """Return the provenance texts of an image file, empty for files of others."""
    if SYNTHETIC in image.info:
        known = {str(key): str(text) for key, text in image.info.items()}
        return {key: known[key] for key in known if key.startswith(PREFIX)}
    for said in (image.info.get("comment"), image.getexif().get(DESCRIPTION)):
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        if isinstance(text, str) and text.startswith(MARK):
            return _read_texts(text) or {SYNTHETIC: "true"}
    return {}


def read_lineage(path: Path) -> Lineage:
    """Return the provenance in an image file; DataError if there is none."""
    try:
        with opened(path) as (image, _):
            texts = texts_in(image)
    except UnusableImage as error:
        raise DataError(f"{path} cannot be read as an image: {error}.") from error
    try:
        return Lineage.from_texts(texts)
    except DataError as error:
        raise DataError(f"{path} cannot be made again. {error}") from error


def whole_range(
    file_range: tuple[float, float] | None, has_wide_grey: bool
) -> tuple[int, int] | None:
    """Return the range of synthetic 16-bit files, None for 8 bits.

    Examples
    --------
    >>> whole_range((0.0, 4095.0), True), whole_range((0.0, 4095.0), False)
    ((0, 4095), None)
    """
    if file_range is None or not has_wide_grey:
        return None
    return int(file_range[0]), int(file_range[1])


def safe_name(text: Any) -> str:
    """Return any text as a valid part of a file name.

    Examples
    --------
    >>> safe_name("../T-shirt/top"), safe_name("狗")
    ('_T-shirt_top', '狗')
    """
    name = re.sub(r"[^\w .+()-]", "_", str(text)).strip(" .")
    return shortened(name[:100]) or "_"


def shortened(name: str) -> str:
    """Cut a name to the length that fits into a file name."""
    return name.encode(errors="surrogateescape")[:MOST_BYTES].decode(errors="ignore")
