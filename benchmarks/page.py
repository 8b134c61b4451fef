"""Write the tables and plots of the benchmark from its results into the documents.

    python benchmarks/page.py
    python benchmarks/page.py --check

Replaces what is between the marks of the documents, from results/methods_SET.json,
filling_SET.json, copies_SET.json and photos.json, and writes
results/methods.png. --check writes nothing and fails if a document differs.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import pandas as pd
from methods_tables import (
    classes_tables,
    copies_table,
    costs_table,
    draw_plot,
    methods_tables,
    read,
    sets_table,
    still_table,
)
from tables import alone_table, fillings_table, moved_table

# Rows of the table in the README: table, set and classifier it is taken from
SHORT = (
    ("sets", "Dominoes"),
    ("still", "MNIST-LT"),
    ("still", "Fashion-MNIST-LT"),
    ("sets", "Fashion-MNIST-LT"),
    ("sets", "Chest X-rays"),
)
TRAINING = {"sets": "with augmentation", "still": "without augmentation"}
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = ("docs/benchmark.md", "README.md", "benchmarks/README.md")


def short_table(tables, photos):
    """Return the table of the README: five rows of the other tables, and photos."""
    lines = ["| set | training | best baseline | balancegan | difference |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name, dataset in SHORT:
        (row,) = (
            line
            for line in tables[name].splitlines()
            if line.startswith(f"| {dataset} | network |")
        )
        _, _, _, baseline, ours, difference, _, _ = row.strip("| ").split(" | ")
        figures = " | ".join(text.split()[0] for text in (baseline, ours))
        lines.append(f"| {dataset} | {TRAINING[name]} | {figures} | {difference} |")
    means = pd.DataFrame(photos["runs"]).query("not validation and not augment")
    means = means.pivot_table("balanced_accuracy", "set", "method") * 100
    gains = means["balanced"] - means["repeated"]
    low, high = gains.min(), gains.max()
    lines.append(
        f"| Photos, {len(gains)} sets | {TRAINING['still']} | repeated files | | "
        f"{low:+.1f} to {high:+.1f} (means of three seeds) |"
    )
    return "\n".join(lines)


def fill(text, parts):
    """Return a document with new text between its marks."""

    def replace(found):
        return f"<!-- {found[1]} -->\n\n{parts[found[1]]}\n\n<!-- end of {found[1]} -->"

    return re.sub(r"<!-- (\w+) -->.*?<!-- end of \1 -->", replace, text, flags=re.S)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    found = read(RESULTS)
    parts = {
        "sets": sets_table(found),
        "still": still_table(found),
        "methods": methods_tables(found),
        "copies": copies_table(found),
        "classes": classes_tables(found),
        "costs": costs_table(found),
        "fillings": fillings_table(RESULTS),
        "moved": moved_table(RESULTS),
        "alone": alone_table(RESULTS),
    }
    photos = json.loads((RESULTS / "photos.json").read_text())
    parts["short"] = short_table(parts, photos)
    for name in DOCUMENTS:
        old = (ROOT / name).read_text()
        new = fill(old, parts)
        if options.check and new != old:
            sys.exit(f"{name} is not what benchmarks/page.py makes of the results.")
        if not options.check:
            (ROOT / name).write_text(new)
    if not options.check:
        draw_plot(found, RESULTS / "methods.png")


if __name__ == "__main__":
    main()
