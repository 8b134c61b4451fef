"""Image files that were written, looked at again: added ones must not stand out.

A classifier learns whatever tells added files from originals: their size, their blur.
Both are measured on the files themselves, whatever wrote them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from balancegan.data.decoding import read_header
from balancegan.data.findings import Finding, list_some
from balancegan.data.labelled import TRAIN
from balancegan.data.lineage import MASK_KEY, METHOD_KEY, SOURCE_KEY
from balancegan.data.sharpness import measure_file_sharpness

ORIGINAL = "original"
CALLED = {"gan": "generated"}  # other methods are called by their names
MADE = ("generated", "interpolated")
TITLES = {"BG103": "Unequal sizes", "BG301": "Unequal sharpness"}
# Medians of added files, as a share of their originals'
LEAST_RATIO, MOST_RATIO = 0.8, 1.25
FEW_FILES = 10  # of a class and method; fewer are judged with those of other classes
# Files of each class and method that are looked at
MOST_FILES, LEAST_FILES = 100, 5
MOST_PIXELS = 400_000_000  # that are decoded, about: some seconds


class WrittenFiles(NamedTuple):
    """The table of image files that were written, and the folder of their names."""

    root: Path
    table: pd.DataFrame


@dataclass(frozen=True)
class Examination:
    """What the files of the training part are like.

    Attributes
    ----------
    methods : list of dict
        A row for the originals, and for the files added by each method: "method",
        "files", "examined" (how many of them were looked at), "smallest", "median" and
        "largest" (height and width, by area), "size_ratio" and "sharpness_ratio"
        (medians of the ratios to originals; None of originals, and if unknown).
    findings : list of Finding
        BG103 and BG301.
    """

    methods: list[dict[str, Any]]
    findings: list[Finding]


def examine_files(
    written: WrittenFiles, file_range: tuple[float, float] | None = None
) -> Examination:
    """Compare added files with originals, by size and sharpness.

    A copy is compared with the file that it copies, other files with the median of the
    originals of their class.

    Parameters
    ----------
    written : WrittenFiles
        As :func:`balancegan.data.writing.write_images` returns it.
    file_range : tuple of float or None, default=None
        Black and white of files of more than 8 bits, see
        :func:`balancegan.data.sharpness.measure_file_sharpness`.
    """
    table = written.table[written.table["split"] == TRAIN]
    is_added = table[MASK_KEY].astype(bool)
    how = table[METHOD_KEY] if METHOD_KEY in table else pd.Series("added", table.index)
    methods = how.where(is_added, ORIGINAL).replace(CALLED).rename("method")
    looks = _Looks(written.root, file_range)
    examined = _choose_files(table.assign(method=methods), looks)
    measured = pd.DataFrame(
        [looks.at(name) for name in examined["file_name"]], index=examined.index
    )
    examined = examined.join(measured)
    examined = examined.join(_find_ratios(examined, looks))
    rows = [
        _describe_method(method, int((methods == method).sum()), files)
        for method, files in examined.groupby("method", sort=False)
    ]
    findings = [
        _judge("BG103", examined, "size_ratio", "Size"),
        _judge("BG301", examined, "sharpness_ratio", "Sharpness"),
    ]
    return Examination(rows, findings)


LOOK = "Look at the files."
LESS_GENERATED = (
    "Leave generated images out (--gan-share 0), or generate larger ones (--size)."
)


class _Looks:
    """Looks at each file once."""

    def __init__(self, root: Path, file_range: tuple[float, float] | None) -> None:
        self.root, self.file_range = root, file_range
        self.at: Callable[[str], dict[str, float]] = cache(self._look)

    def sides(self, name: str) -> tuple[int, int]:
        header = read_header(self.root / name)
        return header.height, header.width

    def _look(self, name: str) -> dict[str, float]:
        height, width = self.sides(name)
        sharpness = measure_file_sharpness(self.root / name, self.file_range)
        side = float(np.sqrt(height * width))
        return {"height": height, "width": width, "side": side, "sharpness": sharpness}


def _choose_files(table: pd.DataFrame, looks: _Looks) -> pd.DataFrame:
    """Return files of each class and method, evenly spread, not too many pixels."""
    grouped = [rows for _, rows in table.groupby(["label", "method"], sort=False)]
    some = [looks.sides(rows["file_name"].iloc[0]) for rows in grouped[:20]]
    pixels = float(np.median([height * width for height, width in some]))
    most = int(MOST_PIXELS / (pixels * len(grouped)))
    most = min(max(most, LEAST_FILES), MOST_FILES)
    return pd.concat(
        [
            rows.iloc[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))]
            for rows in grouped
        ]
    )


def _find_ratios(examined: pd.DataFrame, looks: _Looks) -> pd.DataFrame:
    """Return size and sharpness of added files as ratios to those of originals."""
    originals = examined[examined["method"] == ORIGINAL]
    medians = originals.groupby("label")[["side", "sharpness"]].median()
    ratios = []
    for row in examined[examined["method"] != ORIGINAL].to_dict("records"):
        source = row.get(SOURCE_KEY)
        known: Any = {}
        if isinstance(source, str) and source:
            known = looks.at(source)
        elif row["label"] in medians.index:
            known = medians.loc[row["label"]]
        ratios.append(
            [
                row[of] / known[of] if len(known) and known[of] else np.nan
                for of in ("side", "sharpness")
            ]
        )
    added = examined.index[examined["method"] != ORIGINAL]
    return pd.DataFrame(ratios, added, ["size_ratio", "sharpness_ratio"], dtype=float)


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


def _judge(code: str, examined: pd.DataFrame, column: str, what: str) -> Finding:
    """End a check of a ratio, of each method and of each class with enough files."""
    title, known = TITLES[code], examined.dropna(subset=column)
    if (examined["method"] == ORIGINAL).all():
        return Finding(code, title, "not applicable", "No file was added.")
    if known.empty:
        message = "No class with added files has an original to compare with."
        return Finding(code, title, "not run", message)
    of_methods = known.groupby("method", sort=False)[column].median()
    grouped = known.groupby(["method", "label"], sort=False)[column]
    of_classes = grouped.agg(["median", "size"]).reset_index()
    of_classes = of_classes[of_classes["size"] >= FEW_FILES]
    worst = of_classes[_stands_out(of_classes["median"])]
    named = ", ".join(f"{method} {ratio:.2f}" for method, ratio in of_methods.items())
    about = f"{what} of added files as a ratio to originals: {named}"
    found = {*of_methods.index[_stands_out(of_methods)], *worst["method"]}
    if not found:
        return Finding(code, title, "passed", f"{about}.")
    classes = [
        f"{label} ({method}) {ratio:.2f}"
        for label, method, ratio in zip(
            worst["label"], worst["method"], worst["median"], strict=True
        )
    ]
    listed = f"; {list_some(classes)}" if classes else ""
    advice = LOOK if found.isdisjoint(MADE) else f"{LOOK} {LESS_GENERATED}"
    message = (
        f"{about}{listed}. A classifier can recognise added images by their "
        f"{what.lower()}, and with them the rare classes. {advice}"
    )
    return Finding(code, title, "issue", message)


def _stands_out(ratios: pd.Series) -> pd.Series:
    return (ratios < LEAST_RATIO) | (ratios > MOST_RATIO)
