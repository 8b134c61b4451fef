"""The sets that benchmarks compare on: (folder, draw) to images and labels.

Each function in SETS returns x_train, y_train, x_test, y_test. The folder has
fashion_mnist.npz, mnist.npz, bccd_cells.npz (cells, 64x64x3), pneumoniamnist_full.npz
and wbc_folder (a folder for each class). Which images a draw takes, or which fold it
is, follows from its number.
"""

import warnings

import numpy as np
from make_lt import draw_rows
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split

from balancegan.data.reading import read_images


def long_tailed(file):
    def read(folder, draw):
        x, y, x_test, y_test = read_npz(folder / file)
        rows = draw_rows(y, draw)
        return x[rows], y[rows], x_test, y_test

    return read


def whole(file):
    def read(folder, _draw):
        return read_npz(folder / file)

    return read


def cells_by_fold(folder, draw):
    labelled = read_images(folder / "wbc_folder")
    y = np.unique(labelled.labels, return_inverse=True)[1]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class of three in five folds
        train, test = list(folds.split(y, y))[draw]
    return labelled.images[train], y[train], labelled.images[test], y[test]


def digits(_folder, draw):
    x, y = load_digits(return_X_y=True)
    x = (x * 255 / 16).round().astype("uint8").reshape(-1, 8, 8)
    x, x_test, y, y_test = train_test_split(
        x, y, test_size=1 / 3, stratify=y, random_state=draw
    )
    rows = np.concatenate([np.flatnonzero(y == c)[: 110 - 11 * c] for c in range(10)])
    return x[rows], y[rows], x_test, y_test


def dominoes(aligned):
    """A digit above a garment, alike in such a share of training images.

    In the test they are independent. Labels have two columns: the garment, which is
    the class, and the digit.
    """

    def read(folder, draw):
        rng = np.random.default_rng(draw)
        files = (folder / f for f in ("mnist.npz", "fashion_mnist.npz"))
        upper, lower = map(read_npz, files)
        parts = []
        for part, n, share in ((0, 900, aligned), (2, 500, 0.1)):
            y = np.repeat(np.arange(10), n)
            digit = np.where(
                rng.random(len(y)) < share, y, (y + rng.integers(1, 10, len(y))) % 10
            )
            above = pick(upper[part], upper[part + 1], digit, rng)
            below = pick(lower[part], lower[part + 1], y, rng)
            images = np.concatenate([above, below], axis=1)
            parts += [images, np.stack([y, digit], axis=1)]
        return tuple(parts)

    return read


def pick(images, labels, wanted, rng):
    found = np.empty((len(wanted), *images.shape[1:]), images.dtype)
    for label in np.unique(wanted):
        rows = np.flatnonzero(wanted == label)
        found[rows] = images[rng.choice(np.flatnonzero(labels == label), len(rows))]
    return found


SETS = {
    "digits": digits,
    "wbc": cells_by_fold,
    "chest": whole("pneumoniamnist_full.npz"),
    "fashion_lt": long_tailed("fashion_mnist.npz"),
    "mnist_lt": long_tailed("mnist.npz"),
    "blood": whole("bccd_cells.npz"),
    "dominoes": dominoes(0.98),
    "dominoes_995": dominoes(0.995),
}


def read_npz(file):
    with np.load(file, allow_pickle=False) as arrays:
        names = ("x_train", "y_train", "x_test", "y_test")
        x, y, x_test, y_test = (arrays[name] for name in names)
    return x, y.astype(int), x_test, y_test.astype(int)
