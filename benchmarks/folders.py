"""What a balanced folder of photos looks like, and what it costs.

    python benchmarks/folders.py --data DATA --work WORK --sheets SHEETS

`balancegan balance` by default settings writes each set of photo_sets.py (the training
part of draw 0) in a process of its own. Measured: seconds and peak memory of the
process; how many files were added by which method, how many of them are bytes of an
original, and how large they are; how sharp moved copies are compared with their sources
(median of ratios), and the added files of a class compared with its originals (ratio of
medians). SHEETS gets a contact sheet of each set: a row of
each class, four originals and eight added files, at 224 pixels. Writes
results/folders.json.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from photo_sets import FOLDERS, read_photo, split, write_folder
from PIL import Image, ImageDraw

from balancegan.data.photo_measures import measure_file_sharpness

FILE = Path(__file__).parent / "results" / "folders.json"
SHEET_SIZE = 224
N_SHOWN = (4, 8)  # originals and added files of a class
N_MEASURED = 60  # files of a class whose sharpness is measured, at most


def balance(training, out):
    """Run the command; return its seconds, its peak memory and what it says."""
    command = [str(Path(sys.executable).with_name("balancegan")), "balance"]
    command += [str(training), "--out", str(out), "--random-state", "0"]
    with open(out.with_suffix(".log"), "w+") as log:
        started = perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
    if status:
        raise SystemExit(out.with_suffix(".log").read_text())
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_mb": round(usage.ru_maxrss / 1024),
    }


def measure(training, out):
    table = pd.read_csv(out / "metadata.csv", dtype={"label": str})
    added = table[table["is_synthetic"]]
    return {
        "originals": int((~table["is_synthetic"]).sum()),
        "added": added["synthetic_method"].value_counts().to_dict(),
        "same_bytes": count_same_bytes(training, out, added),
        "sides": measure_sides(out, table),
        "copies_to_sources": compare_copies(training, out, added),
        "added_to_originals": compare_classes(out, table),
    }


def count_same_bytes(training, out, added):
    copies = added.dropna(subset=["synthetic_source"])
    return sum(
        (out / file).read_bytes() == (training / source).read_bytes()
        for file, source in zip(
            copies["file_name"], copies["synthetic_source"], strict=True
        )
    )


def measure_sides(out, table):
    """Return the least, median and greatest longer side by the way of making."""
    sides = []
    for file in table["file_name"]:
        with Image.open(out / file) as image:
            sides.append(max(image.size))
    ways = table["synthetic_method"].fillna("original")
    grouped = pd.Series(sides).groupby(ways)
    return {
        way: [int(own.min()), int(own.median()), int(own.max())] for way, own in grouped
    }


def compare_copies(training, out, added):
    """Return the median sharpness of moved copies by that of sources, by class."""
    ratios = {}
    for name, own in added.dropna(subset=["synthetic_move"]).groupby("label"):
        chosen = own.sample(min(len(own), N_MEASURED), random_state=0)
        ratios[name] = [
            measure_file_sharpness(out / file)
            / measure_file_sharpness(training / source)
            for file, source in zip(
                chosen["file_name"], chosen["synthetic_source"], strict=True
            )
        ]
    return {name: round(float(np.median(own)), 3) for name, own in ratios.items()}


def compare_classes(out, table):
    """Return the median sharpness of added files by that of originals, by class."""
    found = {}
    for name, own in table.groupby("label"):
        if not own["is_synthetic"].any():
            continue
        medians = []
        for is_added in (True, False):
            files = own["file_name"][own["is_synthetic"] == is_added]
            files = files.sample(min(len(files), N_MEASURED), random_state=0)
            medians.append(np.median([measure_file_sharpness(out / f) for f in files]))
        found[name] = round(float(medians[0] / medians[1]), 3)
    return found


def draw_sheet(out, file):
    """Draw originals next to added files, a row of each class."""
    table = pd.read_csv(out / "metadata.csv", dtype={"label": str})
    rng = np.random.default_rng(0)
    groups = table.groupby("label")
    sheet = Image.new(
        "RGB", (SHEET_SIZE * sum(N_SHOWN), (SHEET_SIZE + 16) * len(groups)), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for row, (_, own) in enumerate(groups):
        top = row * (SHEET_SIZE + 16)
        for is_added, n, start in ((False, N_SHOWN[0], 0), (True, N_SHOWN[1], 4)):
            files = own["file_name"][own["is_synthetic"] == is_added].to_numpy()
            files = rng.permutation(files)[:n]
            for column, name in enumerate(files, start):
                left = column * SHEET_SIZE
                photo = Image.fromarray(read_photo(out / name, SHEET_SIZE))
                sheet.paste(photo, (left, top + 16))
                draw.text((left + 2, top + 2), shortened(name), "black")
    sheet.save(file)


def shortened(name):
    return name if len(name) < 37 else name[:17] + ".." + name[-17:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sheets", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=FOLDERS, default=list(FOLDERS))
    options = parser.parse_args()
    for folder in (options.work, options.sheets):
        folder.mkdir(parents=True, exist_ok=True)
    result = {}
    for name in options.only:
        train, _ = split(options.data, name, 0)
        training = write_folder(train, options.work / f"{name}_0")
        out = options.work / f"{name}_0_folder"
        result[name] = balance(training, out) | measure(training, out)
        draw_sheet(out, options.sheets / f"{name}.png")
        print(name, json.dumps(result[name]), flush=True)
    FILE.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
