"""Near copies of photos that were mirrored, cropped, resized, recompressed or relit.

Photos are compared by grey thumbnails of zero mean and unit length, so brightness and
contrast do not count. Windows of a photo, mirrored or not, propose its counterpart; the
best window is then fitted to it. The limit is that of `likeness`: a share of the
distance to the tenth-nearest photo.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from balancegan.quality.likeness import NEAR, NEAR_ANYWHERE, NTH

SMALL = 16  # pixels a side at which windows are compared
SHARES = (0.92, 0.82)  # of the photo's sides; fitting finds the sizes between
WINDOWS = [(0.0, 0.0, 1.0)] + [
    (top, left, share)
    for share in SHARES
    for top, left in (
        (0.0, 0.0),
        (0.0, 1 - share),
        (1 - share, 0.0),
        (1 - share, 1 - share),
        ((1 - share) / 2, (1 - share) / 2),
    )
]
# Windows nearer to their counterpart than this share of the usual distance are fitted
WORTH_FITTING = 0.7
MOST_FITTED = 1000  # the nearest ones: about ten seconds
N_STEPS = 12  # of Gauss-Newton
BLUR = 1.0  # pixels: finer details do not count
ROWS_PER_PIECE = 512
LEAST_SHARE, MOST_SHARE, MOST_OFFSET = 0.6, 1.1, 0.4  # of a window while it is fitted


@dataclass(frozen=True, eq=False)
class Proposals:
    """The likeliest counterpart of each of n photos."""

    other: np.ndarray  # its row
    window: np.ndarray  # which window; from len(WINDOWS) on mirrored
    distance: np.ndarray  # to the counterpart
    usual: np.ndarray  # to the tenth-nearest photo


def find_photo_copies(
    grey: np.ndarray, others: np.ndarray | None = None
) -> list[tuple[int, int]]:
    """Return pairs of photos that are copies, mirrored, cropped or relit.

    Photos are grey thumbnails (n, 64, 64), uint8. They are compared with `others`; if
    None, with each other, and the smaller row of a pair comes first.

    >>> grey = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype="uint8")
    >>> grey = grey.repeat(16, axis=1).repeat(16, axis=2)
    >>> grey[13] = grey[5][:, ::-1] // 2
    >>> find_photo_copies(grey)
    [(5, 13)]
    """
    known = grey if others is None else others
    if min(len(grey), len(known)) == 0 or len(known) <= NTH // 2:
        return []
    pairs = set(_find_one_way(grey, known, is_same=others is None))
    if others is None:
        return sorted({(min(pair), max(pair)) for pair in pairs})
    if len(grey) > NTH // 2:
        pairs |= {(one, other) for other, one in _find_one_way(others, grey)}
    return sorted(pairs)


def _find_one_way(
    grey: np.ndarray, known: np.ndarray, is_same: bool = False
) -> list[tuple[int, int]]:
    """Return pairs whose second photo is like a window of the first."""
    found = _propose(grey, known, is_same)
    usual = np.maximum(NEAR * found.usual, NEAR_ANYWHERE * np.median(found.usual))
    near = found.distance < usual
    share = found.distance / np.maximum(found.usual, 1e-6)
    near_misses = np.flatnonzero(~near & (share < WORTH_FITTING))
    for row in near_misses[np.argsort(share[near_misses], kind="stable")][:MOST_FITTED]:
        window = int(found.window[row])
        seen = grey[row, :, ::-1] if window >= len(WINDOWS) else grey[row]
        fitted = _fit_window(seen, known[found.other[row]], window % len(WINDOWS))
        near[row] = fitted < usual[row]
    rows = np.flatnonzero(near)
    return list(zip(rows.tolist(), found.other[rows].tolist(), strict=True))


def _propose(grey: np.ndarray, known: np.ndarray, is_same: bool) -> Proposals:
    whole = _describe(known, 0).T
    parts = []
    for start in range(0, len(grey), ROWS_PER_PIECE):
        piece = grey[start : start + ROWS_PER_PIECE]
        best = np.full((len(piece), len(known)), -1, dtype=np.float32)
        which = np.zeros(best.shape, dtype=np.uint8)
        for window in range(2 * len(WINDOWS)):
            seen = piece[:, :, ::-1] if window >= len(WINDOWS) else piece
            alike = _describe(seen, window % len(WINDOWS)) @ whole
            which[alike > best] = window
            np.maximum(best, alike, out=best)
        rows = np.arange(len(piece))
        if is_same:
            best[rows, start + rows] = -1  # itself
        other = best.argmax(axis=1)
        nth = min(NTH, len(known) - is_same)
        tenth = np.partition(best, -nth, axis=1)[:, -nth]
        nearest = best[rows, other]
        parts.append((other, which[rows, other], _far(nearest), _far(tenth)))
    return Proposals(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _far(alike: np.ndarray) -> np.ndarray:
    """Return distances of rows of unit length from their dot products."""
    return np.sqrt(np.maximum(0, 2 - 2 * alike))


def _describe(grey: np.ndarray, window: int) -> np.ndarray:
    """Return a window of each photo as 256 values of zero mean and unit length."""
    top, left, share = WINDOWS[window]
    down, right = (_averages(grey.shape[1], start, share) for start in (top, left))
    values = (down @ grey.astype(np.float32) @ right.T).reshape(len(grey), -1)
    values -= values.mean(axis=1, keepdims=True)
    return values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-6)


def _averages(side: int, start: float, share: float) -> np.ndarray:
    """Return a matrix that averages part of `side` pixels to 16."""
    step = share * side / SMALL
    edges = start * side + step * np.arange(SMALL + 1)
    pixels = np.arange(side)
    last, first = edges[1:, None], edges[:-1, None]
    overlap = np.minimum(last, pixels + 1) - np.maximum(first, pixels)
    return (np.maximum(overlap, 0) / step).astype(np.float32)


def _fit_window(one: np.ndarray, other: np.ndarray, window: int) -> float:
    """Return the least distance of a window of one photo to the other photo.

    Position, height, width, brightness and contrast are fitted by least squares:
    B. D. Lucas and T. Kanade, "An iterative image registration technique with an
    application to stereo vision", IJCAI 1981.
    """
    top, left, share = WINDOWS[window]
    side = len(one)
    one, wanted = (gaussian_filter(a.astype(np.float32), BLUR) for a in (one, other))
    slopes = np.gradient(one)
    down, right = np.mgrid[:side, :side].astype(np.float32) + 0.5
    height, width, y, x = share, share, top * side, left * side
    nearest = 2.0
    for _ in range(N_STEPS):
        places = [height * down + y - 0.5, width * right + x - 0.5]
        seen, dy, dx = (
            map_coordinates(image, places, order=1, mode="nearest")
            for image in (one, *slopes)
        )
        nearest = min(nearest, _measure_distance(seen, wanted))
        columns = (dy * down, dy, dx * right, dx, seen, np.ones_like(seen))
        system = np.stack([column.reshape(-1) for column in columns], axis=1)
        # Normal equations are much faster, and precise enough
        squares = system.T @ system + 1e-3 * np.eye(system.shape[1])
        step = np.linalg.solve(squares, system.T @ wanted.reshape(-1))
        contrast = step[4] if abs(step[4]) > 0.2 else 0.2
        height, y, width, x = np.array([height, y, width, x]) + step[:4] / contrast
        are_sizes = all(LEAST_SHARE < size < MOST_SHARE for size in (height, width))
        if not are_sizes or max(abs(y), abs(x)) > MOST_OFFSET * side:
            break
    return nearest


def _measure_distance(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    norms = np.linalg.norm(one) * np.linalg.norm(other) + 1e-6
    return float(_far((one * other).sum() / norms))
