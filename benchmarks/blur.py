"""Does a balanced folder teach that blurred means rare?

    python benchmarks/blur.py --data DATA --work WORK --sets wbc

A class filled with small images that were brought to the size of its photos is blurred
where frequent classes are sharp, and a network can learn that instead of the class. The
test: networks learn from training files repeated up to the largest class, and from
folders whose rare classes are filled otherwise; held-out images of frequent classes
(at least half of the largest) are then reduced to some pixels and brought back. The
recall of these should be within 0.05 of the repeated files'. The network sees fine
detail: its convolutions are 3x3 with stride 1, since one whose first layer is 5x5 with
stride 4 takes no notice of blur.

"32 px, 0.1" is what generated images of 32 pixels could be at best: a share of 0.1 of
each rare class are its own training files, reduced to 32 pixels and brought back, the
rest repeated files. `--folder NAME PATH` adds a folder that `balancegan balance` wrote
of the training part, which is in WORK/SET_DRAW; `--balance NAME OPTIONS` runs the
command with these options (a string) and adds what it writes. Results go to
results/blur.json, run by run; what is there is not run again.
"""

import argparse
import itertools
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from photo_sets import (
    FOLDERS,
    IMAGE_SIZE,
    blur,
    files_by_class,
    look,
    read_photos,
    repeat_files,
    split,
    train_network,
    write_folder,
)

N_STEPS = 300
FILTERS = (16, 32, 64, 96)

FILE = Path(__file__).parent / "results" / "blur.json"
SIZES = (32, 64)
SHARES = (1.0, 0.2, 0.1, 0.05)


def build_network(n_classes):
    import keras

    layers = [
        keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3)),
        keras.layers.Rescaling(1 / 127.5, -1),
    ]
    for filters in FILTERS:
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(n_classes)]
    return keras.Sequential(layers)


def fill_with_small(files, size, share):
    """Return rows, a share of each rare class being photos reduced to a size."""
    repeated = repeat_files(files)
    images, y = read_photos(repeated)
    for c, (name, own) in enumerate(files.items()):
        filled = np.flatnonzero(y == c)[len(own) :]
        small = filled[: round(share * len(repeated[name]))]
        if len(small):
            images[small] = blur(images[small], size)
    return images, y


def balance(training, out, options):
    """Write a balanced folder by the command line."""
    if not out.exists():
        command = [str(Path(sys.executable).with_name("balancegan")), "balance"]
        command += [str(training), "--out", str(out), "--random-state", "0", "--quiet"]
        subprocess.run(command + shlex.split(options), check=True)
    return read_photos(files_by_class(out))


def ways_to_fill(train, training, options):
    """Yield a name and a function that returns images and class numbers."""
    yield "repeated", lambda: read_photos(repeat_files(train))
    for name, folder in options.folder:
        yield name, lambda folder=folder: read_photos(files_by_class(Path(folder)))
    for name, arguments in options.balance:
        out = training.with_name(f"{training.name}_{name.replace(' ', '_')}")
        yield name, lambda out=out, words=arguments: balance(training, out, words)
    for size, share in itertools.product(options.sizes, options.shares):
        yield (
            f"{size} px, {share}",
            lambda size=size, share=share: fill_with_small(train, size, share),
        )


def run_set(name, options, result):
    done = {(r["set"], r["rows"], r["seed"]) for r in result["runs"]}
    train, test = split(options.data, name, 0)
    training = write_folder(train, options.work / f"{name}_0")
    counts = [len(own) for own in train.values()]
    x, y = read_photos(test)
    for rows, make in ways_to_fill(train, training, options):
        left = [seed for seed in options.seeds if (name, rows, seed) not in done]
        if not left:
            continue
        images, classes = make()
        for seed in left:
            network = train_network(
                images, classes, len(counts), seed, N_STEPS, build=build_network
            )
            result["runs"].append(
                {
                    "set": name,
                    "rows": rows,
                    "seed": seed,
                    "loss": round(network.loss_by_tenth[-1], 4),
                    **look(network, x, y, counts),
                }
            )
            print(json.dumps(result["runs"][-1]), flush=True)
            FILE.write_text(json.dumps(result, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=FOLDERS, default=["wbc"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--shares", nargs="*", type=float, default=SHARES)
    parser.add_argument("--folder", nargs=2, action="append", default=[])
    parser.add_argument("--balance", nargs=2, action="append", default=[])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    result = json.loads(FILE.read_text()) if FILE.exists() else {"runs": []}
    for name in options.sets:
        run_set(name, options, result)


if __name__ == "__main__":
    main()
