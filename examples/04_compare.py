"""Ask whether synthetic images help: ours beside imbalanced-learn's SMOTE.

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

# Handwritten digits, 8x8, as floats from 0 to 16; a third is held out before anything
# else happens, then few of the later digits are kept
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)
rows = [np.flatnonzero(y_train == digit)[: 110 - 11 * digit] for digit in range(10)]
X_train, y_train = X_train[np.concatenate(rows)], y_train[np.concatenate(rows)]

# What is no rival gets a verdict, against nothing and against the best of the rivals.
# Each class has 11 images at least, so that SMOTE finds its five neighbours
augmenter = ConditionalGANAugmenter(image_shape=(8, 8), steps=options.steps, verbose=0)
methods = [
    "none",
    "oversample+augment",
    Method("smote", SMOTE(), rival=True),
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
