"""Images of more than 8 bits: which of their values becomes 0, and which 255.

One scale holds for a whole set and is chosen by the training images alone. A few
outlying pixels do not count, nor does a file on another scale.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Ranges of cameras and programs; a much narrower set of values gets its own
WHITES = tuple(2.0**bits - 1 for bits in (8, 10, 12, 14, 16))
FLOAT_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
LEAST_USED = 4  # values must fill a fourth of a usual range
OUTLYING = 200  # one in this number of pixels of a file may be an outlier
ENOUGH_PIXELS = 100  # of a file, for any to be an outlier
# Values that reach farther than this times the range of most files are on another
# scale: 16 bits next to 12
OTHER_SCALE = 15
PIXELS_AT_ONCE = 1_000_000
MOST_CLIPPED = 0.5  # of the pixels of an image; with more it is unusable
KINDS = ("floats", "integers")
LARGEST = 1e30  # larger floats mark missing values


@dataclass(frozen=True, eq=False)
class DeepImage:
    """The values of an image of more than 8 bits.

    Parameters
    ----------
    values : ndarray of shape (height, width, 1 or 3)
        Integers or floats as stored.
    alpha : ndarray of shape (height, width), uint16 or bool; or None
        Opacity of each pixel. None: opaque.
    zero_is_white : bool, default=False
        Whether the least value is the brightest.
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    zero_is_white: bool = False

    def split(self, n_parts: int) -> Iterator["DeepImage"]:
        """Yield the image in parts from top to bottom."""
        bounds = np.linspace(0, len(self.values), n_parts + 1).astype(int).tolist()
        for start, stop in itertools.pairwise(bounds):
            alpha = None if self.alpha is None else self.alpha[start:stop]
            yield DeepImage(self.values[start:stop], alpha, self.zero_is_white)


@dataclass(frozen=True)
class Spread:
    """The range of the values of an image, without outliers."""

    is_float: bool
    low: float
    high: float
    opaque: int = 0


@dataclass
class Scale:
    """Converts values of more than 8 bits to 0..255, and counts clipped pixels.

    Parameters
    ----------
    low, high : float
        What becomes 0 and 255. Values beyond are clipped.
    opaque : int, default=65535
        The alpha value of opaque pixels.
    is_given : bool, default=False
        Whether the user set this range.
    """

    low: float
    high: float
    opaque: int = 65535
    is_given: bool = False
    n_pixels: int = 0
    n_clipped: int = 0

    def to_bytes(self, image: DeepImage) -> np.ndarray | None:
        """Return an image of shape (height, width, 1, 3 or 4), uint8.

        None if most pixels lie outside a range that other images chose.

        Examples
        --------
        >>> grey = DeepImage(np.array([[[0], [2000], [4095]]], dtype=np.uint16))
        >>> Scale(0, 4095).to_bytes(grey)[..., 0].tolist()
        [[0, 125, 255]]
        """
        values = image.values
        outside = ((values < self.low) | (values > self.high)).any(axis=-1)
        if outside.mean() > MOST_CLIPPED and not self.is_given:
            return None
        self.n_pixels += outside.size
        self.n_clipped += int(outside.sum())
        # 50 million pixels as floats would need more than a gigabyte
        n_parts = 1 + outside.size // PIXELS_AT_ONCE
        return np.concatenate([self._shade(part) for part in image.split(n_parts)])

    def _shade(self, image: DeepImage) -> np.ndarray:
        shades = (image.values.astype(float) - self.low) / (self.high - self.low)
        if image.zero_is_white:
            shades = 1 - shades
        if image.alpha is not None:
            most = 1 if image.alpha.dtype == bool else self.opaque
            colours = np.broadcast_to(shades, (*shades.shape[:2], 3))
            shades = np.dstack([colours, image.alpha / most])
        return np.rint(255 * shades.clip(0, 1)).astype(np.uint8)

    def ends(self) -> str:
        """Return the range as text."""
        return f"{_say(self.low)} to {_say(self.high)}"

    def describe(self, deep: str, n_others: int) -> str:
        """Return a note on `deep`, such as "2 files", and the remaining images."""
        text = (
            f"{deep} of more than 8 bits: {self.ends()} became 0 to 255 (value-range)"
        )
        if self.n_clipped:
            text += (
                f"; {self.n_clipped:,} of their {self.n_pixels:,} pixels lie outside "
                "and were clipped"
            )
        if n_others:
            text += f"; the remaining {n_others:,} have 8 bits and are unchanged"
        return text


def measure(image: DeepImage) -> Spread:
    """Return the range of the values of an image.

    At either end, up to 0.5 % of the pixels are ignored if they are farther out than
    the width of the range of the rest.

    Examples
    --------
    >>> values = np.arange(400).reshape(20, 20, 1)
    >>> values[0, 0] = 65535
    >>> measure(DeepImage(values)).high
    399.0
    """
    lows = image.values.min(axis=-1).ravel()
    highs = image.values.max(axis=-1).ravel()
    step = 1 + len(lows) // PIXELS_AT_ONCE
    n = 0
    if len(lows) >= ENOUGH_PIXELS:
        n = max(1, len(lows) // step // OUTLYING)
    low = float(np.partition(lows[::step], n)[n])
    high = float(np.partition(highs[::step], -1 - n)[-1 - n])
    span = max(high - low, 0.0)
    alpha = image.alpha
    return Spread(
        image.values.dtype.kind == "f",
        float(lows.min(where=lows >= low - span, initial=lows.max())),
        float(highs.max(where=highs <= high + span, initial=highs.min())),
        0 if alpha is None or alpha.dtype == bool else int(alpha.max()),
    )


def choose_scale(spreads: dict[str, Spread]) -> tuple[Scale, dict[str, str]]:
    """Choose one scale for the images of a set.

    Black is 0 if no value is negative, and white that of 8, 10, 12, 14 or 16 bits, the
    smallest that holds the values. Floats get 0 to 1, -1 to 1 or 0 to 255. If the
    values fill less than a fourth of that, or fit no such range, the least and the
    greatest value are black and white.

    Parameters
    ----------
    spreads : dict of str to Spread
        Of each image by name; at least one.

    Returns
    -------
    scale : Scale
    others : dict of str to str
        Images on another scale by name, with the reason.

    Examples
    --------
    >>> cameras = dict.fromkeys("abc", Spread(False, 5, 4000))
    >>> scale, others = choose_scale({**cameras, "d": Spread(False, 0, 65000)})
    >>> scale.high, list(others)
    (4095.0, ['d'])
    """
    others = _find_off_scale(spreads)
    kept = [spread for name, spread in spreads.items() if name not in others]
    low, high = min(s.low for s in kept), max(s.high for s in kept)
    low, high = _usual_range(low, high, kept[0].is_float)
    most = max(s.opaque for s in kept)
    opaque = next((white for white in WHITES if most <= white), WHITES[-1])
    return Scale(low, high, int(opaque)), others


def _find_off_scale(spreads: dict[str, Spread]) -> dict[str, str]:
    n_floats = sum(spread.is_float for spread in spreads.values())
    are_floats = 2 * n_floats > len(spreads)
    same = [s for s in spreads.values() if s.is_float == are_floats]
    varied = [s for s in same if s.high > s.low] or same
    low, high = _median([s.low for s in varied]), _median([s.high for s in varied])
    far = OTHER_SCALE * (high - low) or np.inf
    others = {}
    for name, spread in spreads.items():
        if spread.is_float != are_floats:
            own, usual = KINDS if spread.is_float else KINDS[::-1]
            others[name] = f"its values are {own}, those of most others {usual}"
        elif spread.high - low > far or high - spread.low > far:
            others[name] = (
                f"its values go from {_say(spread.low)} to {_say(spread.high)}, and in "
                f"most images of more than 8 bits from {_say(low)} to {_say(high)}: "
                "bring all to one scale, or set value-range in --config"
            )
    return others


def _median(values: list[float]) -> float:
    """Return the median, the lower of two in the middle."""
    return sorted(values)[(len(values) - 1) // 2]


def _usual_range(low: float, high: float, is_float: bool) -> tuple[float, float]:
    """Return black and white of values from `low` to `high`."""
    usual = FLOAT_RANGES if is_float else tuple((0.0, white) for white in WHITES)
    for black, white in usual:
        if black <= low and high <= white:
            if (high - low) * LEAST_USED >= white - black or high == low:
                return black, white
            break
    return low, high if high > low else low + 1


def _say(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:.4g}"
