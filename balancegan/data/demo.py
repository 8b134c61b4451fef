"""An imbalanced demo set that needs no download."""

import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from balancegan.data.arraywriting import write_arrays

DEMO_COUNTS = (100, 80, 60, 50, 40, 30, 25, 20, 15, 10)


def save_demo_digits(path: str | os.PathLike[str]) -> None:
    """Write scikit-learn's handwritten digits, made imbalanced, as an .npz file.

    8x8 pixels, 1,797 images; a third is held out as the test part, and of the rest
    100 images of the digit 0 are kept, fewer and fewer down to 10 of the digit 9.
    """
    images, labels = load_digits(return_X_y=True)
    images = np.rint(images.reshape(-1, 8, 8) / 16 * 255).astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=1 / 3, stratify=labels, random_state=0
    )
    kept = [
        np.flatnonzero(y_train == digit)[:count]
        for digit, count in enumerate(DEMO_COUNTS)
    ]
    rows = np.concatenate(kept)
    arrays = {"x_train": x_train[rows], "y_train": y_train[rows]}
    write_arrays(path, {**arrays, "x_test": x_test, "y_test": y_test})
