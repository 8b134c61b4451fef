"""Compare balancegan with SMOTE and other methods on held-out images.

python examples/04_compare.py
"""

import argparse

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from balancegan import ConditionalGANAugmenter, Method, compare, write_report

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, help="instead of the preset's 3,000")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--out", default="comparison.html")
options = parser.parse_args()

# Load digits of 8x8 pixels, floats from 0 to 16; hold out a third first, then keep
# few of the later digits
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)
rows = [np.flatnonzero(y_train == digit)[: 110 - 11 * digit] for digit in range(10)]
X_train, y_train = X_train[np.concatenate(rows)], y_train[np.concatenate(rows)]

# Compare every method with doing nothing and with the best baseline. Each class has
# at least 11 images, so SMOTE finds its five neighbours
augmenter = ConditionalGANAugmenter(image_shape=(8, 8), steps=options.steps, verbose=0)
methods = [
    "none",
    "oversample+augment",
    Method("smote", SMOTE(), baseline=True),
    Method("cgan", augmenter),
]
result = compare(
    methods,
    X_train,
    y_train,
    X_test,
    y_test,
    image_shape=(8, 8),
    classifier=LogisticRegression(C=0.1, max_iter=1000),
    seeds=options.seeds,
)
columns = ["balanced_accuracy", "few_shot", "difference", "low", "high"]
print(result.summary()[columns].round(3))
print(result.verdict().sentence)
write_report(result, options.out)
