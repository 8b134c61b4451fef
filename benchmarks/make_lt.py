"""Make a long-tailed draw of a ten-class set: 4000 images of class 0 to 40 of class 9.

    python benchmarks/make_lt.py fashion_mnist.npz fashion-lt-0.npz --draw 0

The counts are those of GAMO (ICCV 2019) and DeepSMOTE (TNNLS 2023), or others:
--counts 1000,1000,1000,40,20,12,8,5,3,2. The source has x_train, y_train, x_test and
y_test; the test part is copied whole.
"""

import argparse

import numpy as np

COUNTS = (4000, 2000, 1000, 750, 500, 350, 200, 100, 60, 40)


def draw_rows(labels, draw, counts=COUNTS):
    """Return the rows of a draw, class after class."""
    rng = np.random.default_rng(draw)
    return np.concatenate(
        [
            rng.permutation(np.flatnonzero(labels == label))[:count]
            for label, count in enumerate(counts)
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    options = parser.parse_args()
    counts = [int(count) for count in options.counts.split(",")]
    with np.load(options.source, allow_pickle=False) as file:
        data = dict(file)
    rows = draw_rows(data["y_train"], options.draw, counts)
    data["x_train"], data["y_train"] = data["x_train"][rows], data["y_train"][rows]
    np.savez_compressed(options.out, **data)


if __name__ == "__main__":
    main()
