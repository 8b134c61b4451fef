"""What stays in memory of trainings that are over: many in one process.

    python benchmarks/many_fits.py
    python benchmarks/many_fits.py --keras-optimizers

36 images of 8x8, two steps and the judge, again and again, nothing kept. With the
second command networks learn by Keras's own optimizers, whose graphs TensorFlow keeps.
Writes results/many_fits.json: peak resident MiB so far (Linux), and
Python objects, after each fit.
"""

import argparse
import gc
import json
import os
import resource
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from balancegan import ConditionalGANAugmenter
from balancegan.gan import conditional_gan, judge

RESULTS = Path(__file__).parent / "results"
N_FITS = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keras-optimizers", action="store_true")
    if of_keras := parser.parse_args().keras_optimizers:
        conditional_gan.Adam = judge.Adam = keras.optimizers.Adam
    X = np.random.default_rng(0).integers(0, 256, (36, 8, 8), dtype=np.uint8)
    y = np.arange(len(X)) % 3
    mib, objects = [], []
    for seed in range(N_FITS):
        ConditionalGANAugmenter(steps=2, random_state=seed, verbose=0).fit(X, y)
        gc.collect()
        mib.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
        objects.append(len(gc.get_objects()))
    file = RESULTS / "many_fits.json"
    result = json.loads(file.read_text()) if file.exists() else {}
    result["command"] = "python benchmarks/many_fits.py [--keras-optimizers]"
    result["keras" if of_keras else "ours"] = {
        "mib": mib,
        "objects": objects,
        "mib_a_fit": round((mib[-1] - mib[1]) / (N_FITS - 2), 1),
        "objects_a_fit": round((objects[-1] - objects[1]) / (N_FITS - 2)),
    }
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
