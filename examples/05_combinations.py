"""Balance two correlated attributes: one digit above another.

python examples/05_combinations.py

A classifier learns the lower digit. In 95 % of the training images the upper digit is
the same, so it may learn that instead. In the test images they are independent.
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from balancegan import ConditionalGANAugmenter, Method, compare, write_report

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, help="instead of the preset's")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--out", default="combinations.html")
options = parser.parse_args()
N_DIGITS = 5


def draw_pairs(images, digits, n, aligned, seed):
    """Return images of two digits and a row of labels for each."""
    rng = np.random.default_rng(seed)
    lower = rng.integers(N_DIGITS, size=n)
    other = (lower + rng.integers(1, N_DIGITS, size=n)) % N_DIGITS
    upper = np.where(rng.random(n) < aligned, lower, other)
    halves = [
        images[[rng.choice(np.flatnonzero(digits == digit)) for digit in wanted]]
        for wanted in (upper, lower)
    ]
    labels = pd.DataFrame({"lower": lower, "upper": upper})
    return np.concatenate(halves, axis=1), labels


X, y = load_digits(n_class=N_DIGITS, return_X_y=True)
X = (X * 255 / 16).round().astype("uint8").reshape(-1, 8, 8)
parts = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
train = draw_pairs(parts[0], parts[2], 1_500, aligned=0.95, seed=1)
test = draw_pairs(parts[1], parts[3], 1_000, aligned=1 / N_DIGITS, seed=2)

# Recombine rare combinations from real images: each digit has its own pixels, so no
# GAN is trained
augmenter = ConditionalGANAugmenter(steps=options.steps, verbose=0)
methods = ["none", "oversample", "oversample+augment", Method("cgan", augmenter)]
classifier = LogisticRegression(C=0.1, max_iter=1000)
result = compare(methods, *train, *test, classifier=classifier, seeds=options.seeds)
print(result.summary()[["combination_accuracy", "difference", "low", "high"]].round(3))
print(result.verdict().sentence)
write_report(result, options.out)
