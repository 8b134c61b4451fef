"""Is a balanced folder of photos better than its files repeated? On held-out photos.

    python benchmarks/photos.py --data DATA --work WORK

Networks learn at 112 pixels from the training files unchanged ("originals"), from the
same files repeated up to the largest class ("repeated"), from the folder that
`balancegan balance` writes of them ("balanced"), and from that with `--moves auto`
("balanced auto"). All start with the same weights and learn from as many batches. Sets
and draws are those of photo_sets.py; a seed is a draw, the seed of `balance`, and that
of the network. --augment shifts and mirrors each image while the network learns, for
every method. --validation judges by a quarter of the training files instead, which is
what choices are made by.

Results go to results/photos.json, run by run; what is there is not run again. WORK
keeps the folders: after a change of the code take another one. --table prints what
there is.
"""

import argparse
import itertools
import json
import shlex
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from photo_sets import (
    FOLDERS,
    N_STEPS,
    files_by_class,
    hold_out,
    look,
    read_photos,
    repeat_files,
    split,
    train_network,
    write_folder,
)

FILE = Path(__file__).parent / "results" / "photos.json"
METHODS = {"balanced": "", "balanced auto": "--moves auto"}
KEYS = ("set", "seed", "method", "augment", "validation")


def balance(training, out, seed, options):
    """Write a balanced folder by the command line, once; return its seconds."""
    if out.exists():
        return None
    command = [str(Path(sys.executable).with_name("balancegan")), "balance"]
    command += [
        str(training),
        "--out",
        str(out),
        "--random-state",
        str(seed),
        "--quiet",
    ]
    started = perf_counter()
    subprocess.run(command + shlex.split(options), check=True)
    return round(perf_counter() - started, 1)


def run(options, *, set, seed, method, augment, validation):
    train, test = split(options.data, set, seed)
    name = f"{set}_{seed}"
    if validation:
        train, test = hold_out(train)
        name += "_validation"
    training = write_folder(train, options.work / name)
    files, seconds = train, None
    if method == "repeated":
        files = repeat_files(train)
    elif method != "originals":
        out = options.work / f"{name}_{method.replace(' ', '_')}"
        seconds = balance(training, out, seed, options.methods[method])
        files = files_by_class(out)
    started = perf_counter()
    n_classes = len(train)
    network = train_network(*read_photos(files), n_classes, seed, N_STEPS[set], augment)
    return {
        **look(network, *read_photos(test), [len(own) for own in train.values()]),
        "loss": [round(network.loss_by_tenth[i], 4) for i in (-2, -1)],
        "files": [len(own) for own in files.values()],
        "balance_seconds": seconds,
        "seconds": round(perf_counter() - started),
    }


def run_all(options):
    result = json.loads(FILE.read_text()) if FILE.exists() else {"runs": []}
    done = {tuple(row[key] for key in KEYS) for row in result["runs"]}
    for seed, name, method in itertools.product(
        options.seeds, options.only, options.methods
    ):
        key = (name, seed, method, options.augment, options.validation)
        if key in done:
            continue
        wanted = dict(zip(KEYS, key, strict=True))
        result["runs"].append({**wanted, **run(options, **wanted)})
        print(json.dumps(result["runs"][-1]), flush=True)
        FILE.write_text(json.dumps(result, indent=1) + "\n")
    return result["runs"]


def tabulate(runs):
    """Print means over seeds, and each method's difference to repeated files."""
    for augment, validation in sorted({(r["augment"], r["validation"]) for r in runs}):
        print(f"augment {augment}, validation {validation}")
        chosen = [
            r for r in runs if (r["augment"], r["validation"]) == (augment, validation)
        ]
        accuracy = {(r["set"], r["method"], r["seed"]): r for r in chosen}
        for name, method in sorted({(s, m) for s, m, _ in accuracy}):
            seeds = sorted(s for n, m, s in accuracy if (n, m) == (name, method))
            own, repeated = (
                [
                    100 * accuracy[name, m, s]["balanced_accuracy"]
                    for s in seeds
                    if (name, m, s) in accuracy
                ]
                for m in (method, "repeated")
            )
            line = f"{name:14} {method:16} {np.mean(own):5.1f} of {len(own)}"
            if len(own) == len(repeated):
                difference = np.subtract(own, repeated)
                line += f"  {difference.mean():+.1f} {difference.round(1).tolist()}"
            print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=FOLDERS, default=list(FOLDERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--methods", nargs="+", default=["originals", "repeated", *METHODS]
    )
    parser.add_argument("--balance", nargs=2, action="append", default=[])
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    given = METHODS | dict(options.balance)
    options.methods = {name: given.get(name, "") for name in options.methods}
    if options.table:
        tabulate(json.loads(FILE.read_text())["runs"])
        return
    options.work.mkdir(parents=True, exist_ok=True)
    tabulate(run_all(options))


if __name__ == "__main__":
    main()
