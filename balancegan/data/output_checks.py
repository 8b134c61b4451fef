"""Checks of written image files: added files must not differ from originals.

A classifier learns whatever distinguishes added files, such as their size or blur. Both
are measured on the files themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from balancegan.data.decoding import read_header
from balancegan.data.labelled import TRAIN
from balancegan.data.lineage import MASK_KEY, METHOD_KEY, SOURCE_KEY
from balancegan.data.photo_measures import measure_file_sharpness
from balancegan.quality.checks import Finding, list_some

ORIGINAL = "original"
NAMES = {"gan": "generated"}  # of methods, where they differ
# Medians of added files, as a share of their originals'
LEAST_RATIO, MOST_RATIO = 0.8, 1.25
FEW_FILES = 10  # of a class and method; fewer are only checked with other classes
MOST_FILES, LEAST_FILES = 100, 5  # that are measured, of each class and method
MOST_PIXELS = 400_000_000  # that are decoded: some seconds
LOOK = "Look at the files."
LESS_GENERATED = (
    "Leave generated images out (--gan-share 0), or generate larger ones (--size)."
)


class WrittenFiles(NamedTuple):
    """The table of image files that were written, and the folder of their names."""

    root: Path
    table: pd.DataFrame


@dataclass(frozen=True)
class FileComparison:
    """Sizes and sharpness of the files of the training part.

    Attributes
    ----------
    methods : list of dict
        A row for the originals, and for the files added by each method: "method",
        "files", "examined" (how many of them were measured), "smallest", "median" and
        "largest" (height and width, by area), "size_ratio" and "sharpness_ratio"
        (medians of the ratios to originals; None of originals, and if unknown).
    findings : list of Finding
        BG103 and BG301.
    """

    methods: list[dict[str, Any]]
    findings: list[Finding]


def compare_files(
    written: WrittenFiles, file_range: tuple[float, float] | None = None
) -> FileComparison:
    """Compare added files with originals, by size and sharpness.

    A copy is compared with its source, other files with the median of the originals of
    their class. `file_range` is black and white of files of more than 8 bits.
    """
    table = written.table[written.table["split"] == TRAIN]
    is_added = table[MASK_KEY].astype(bool)
    how = table[METHOD_KEY] if METHOD_KEY in table else pd.Series("added", table.index)
    table = table.assign(method=how.where(is_added, ORIGINAL).replace(NAMES))
    measure = cache(partial(_measure_file, written.root, file_range))
    examined = _choose_files(table, written.root)
    figures = [measure(name) for name in examined["file_name"]]
    examined = examined.join(pd.DataFrame(figures, index=examined.index))
    examined = examined.join(_find_ratios(examined, measure))
    counts = table["method"].value_counts()
    rows = [
        _describe_method(method, int(counts[method]), files)
        for method, files in examined.groupby("method", sort=False)
    ]
    findings = [
        _check_ratio("BG103", examined, "size_ratio", "Size"),
        _check_ratio("BG301", examined, "sharpness_ratio", "Sharpness"),
    ]
    return FileComparison(rows, findings)


def _measure_file(
    root: Path, file_range: tuple[float, float] | None, name: str
) -> dict[str, float]:
    header = read_header(root / name)
    return {
        "height": header.height,
        "width": header.width,
        "side": float(np.sqrt(header.height * header.width)),
        "sharpness": measure_file_sharpness(root / name, file_range),
    }


def _choose_files(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Return files of each class and method, evenly spread, not too many pixels."""
    grouped = [rows for _, rows in table.groupby(["label", "method"], sort=False)]
    headers = [read_header(root / rows["file_name"].iloc[0]) for rows in grouped[:20]]
    pixels = float(np.median([header.height * header.width for header in headers]))
    most = int(MOST_PIXELS / (pixels * len(grouped)))
    most = min(max(most, LEAST_FILES), MOST_FILES)
    return pd.concat(
        [
            rows.iloc[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))]
            for rows in grouped
        ]
    )


def _find_ratios(
    examined: pd.DataFrame, measure: Callable[[str], dict[str, float]]
) -> pd.DataFrame:
    """Return size and sharpness of added files as ratios to those of originals."""
    is_original = examined["method"] == ORIGINAL
    figures = ["side", "sharpness"]
    medians = examined[is_original].groupby("label")[figures].median()
    added = examined[~is_original]
    usual = medians.reindex(added["label"]).set_axis(added.index)
    if SOURCE_KEY in added:
        sources = added[SOURCE_KEY].dropna().loc[lambda names: names != ""]
        for row, source in sources.items():
            usual.loc[row] = [measure(source)[figure] for figure in figures]
    ratios = added[figures] / usual.where(usual != 0)
    return ratios.set_axis(["size_ratio", "sharpness_ratio"], axis=1)


def _describe_method(method: Any, n_files: int, files: pd.DataFrame) -> dict[str, Any]:
    order = files.sort_values("side")[["height", "width"]].astype(int).to_numpy()
    ratios = files[["size_ratio", "sharpness_ratio"]].median()
    return {
        "method": str(method),
        "files": n_files,
        "examined": len(files),
        "smallest": order[0].tolist(),
        "median": order[len(order) // 2].tolist(),
        "largest": order[-1].tolist(),
        **{
            str(name): None if pd.isna(ratio) else round(float(ratio), 3)
            for name, ratio in ratios.items()
        },
    }


def _check_ratio(code: str, examined: pd.DataFrame, column: str, what: str) -> Finding:
    """Return the finding on a ratio of each method, and of classes with many files."""
    known = examined.dropna(subset=column)
    if (examined["method"] == ORIGINAL).all():
        return Finding(code, "not applicable", "No file was added.")
    if known.empty:
        message = "No class with added files has an original to compare with."
        return Finding(code, "not run", message)
    of_methods = known.groupby("method", sort=False)[column].median()
    grouped = known.groupby(["method", "label"], sort=False)[column]
    of_classes = grouped.agg(["median", "size"]).reset_index()
    of_classes = of_classes[of_classes["size"] >= FEW_FILES]
    worst = of_classes[_stands_out(of_classes["median"])]
    named = ", ".join(f"{method} {ratio:.2f}" for method, ratio in of_methods.items())
    about = f"{what} of added files as a ratio to originals: {named}"
    found = {*of_methods.index[_stands_out(of_methods)], *worst["method"]}
    if not found:
        return Finding(code, "passed", f"{about}.")
    classes = [
        f"{label} ({method}) {ratio:.2f}"
        for label, method, ratio in zip(
            worst["label"], worst["method"], worst["median"], strict=True
        )
    ]
    listed = f"; {list_some(classes)}" if classes else ""
    advice = LOOK if "generated" not in found else f"{LOOK} {LESS_GENERATED}"
    message = (
        f"{about}{listed}. A classifier can recognise added images, and so the rare "
        f"classes, by their {what.lower()}. {advice}"
    )
    return Finding(code, "issue", message)


def _stands_out(ratios: pd.Series) -> pd.Series:
    return (ratios < LEAST_RATIO) | (ratios > MOST_RATIO)
