"""Balance an imbalanced data set: two minutes on a laptop, nothing to download.

python examples/02_quickstart.py
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits

from balancegan import ConditionalGANAugmenter, class_counts
from balancegan.pictures import compare_real_and_synthetic, write_png

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, help="instead of the preset's 3,000")
parser.add_argument("--out", default="quickstart.png")
options = parser.parse_args()

# Load digits of 8x8 pixels, floats from 0 to 16; keep few of the later ones
X, y = load_digits(return_X_y=True)
rows = [np.flatnonzero(y == digit)[: 100 - 9 * digit] for digit in range(10)]
X, y = X[np.concatenate(rows)], y[np.concatenate(rows)]
print("before:", class_counts(y))

# Raise every class to 100 images; the rows are flat, so give their shape
augmenter = ConditionalGANAugmenter(
    image_shape=(8, 8), steps=options.steps, random_state=0
)
X_bal, y_bal = augmenter.fit_resample(X, y)
print("after: ", class_counts(y_bal))

# The original rows come first, unchanged; the mask marks the added rows
synthetic = augmenter.is_synthetic_
print(f"{synthetic.sum()} added rows of {len(y_bal)}, in {X_bal.min()}..16")
print("originals untouched:", bool((X_bal[~synthetic] == X).all()))

# Write a picture of real and generated images
to_uint8 = augmenter.model_.image_format.to_uint8
real = [to_uint8(X[y == digit][:8]) for digit in range(10)]
made = [to_uint8(augmenter.sample(digit, 8)) for digit in range(10)]
write_png(options.out, compare_real_and_synthetic(list("0123456789"), real, made))
print(f"wrote {options.out}")
