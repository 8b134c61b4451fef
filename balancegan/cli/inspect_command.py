"""``balancegan inspect``: look at a data set before training."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from balancegan.cli.checks import check_new, refuse_sources
from balancegan.cli.command import DATA, OUTPUT, Command
from balancegan.cli.options import (
    GENERAL_OPTIONS,
    OUTPUT_PATH,
    PATH,
    READING_SETTINGS,
    option,
    options,
    settings,
)

if TYPE_CHECKING:
    from balancegan.data.image_parts import ImagePart
    from balancegan.data.inspection import Inspection
    from balancegan.data.labelled import LabelledImages

# Limits of the picture
SHOWN_PER_CLASS = 10
SHOWN_CLASSES = 50  # the smallest classes
MOST_PIXELS = 96  # longest side of an image


@click.command(
    cls=Command,
    examples=(
        "balancegan inspect data.npz --picture data.png",
        "balancegan inspect photos/ --report photos.html --on-error skip",
        "balancegan inspect cells.csv --group-key patient --json > cells.json",
    ),
)
@click.argument("data", type=PATH)
@option(
    "--picture",
    heading=OUTPUT,
    type=OUTPUT_PATH,
    help="Write a .png file with some images of each class.",
)
@option(
    "--report",
    heading=OUTPUT,
    type=OUTPUT_PATH,
    help="Write an .html file with the findings and the images concerned.",
)
@options("overwrite")
@option(
    "--against",
    heading=DATA,
    type=click.Choice(["test", "val"]),
    help="Part to compare training images with.  [default: test, or val without test]",
)
@options("group-key", "images-key", "labels-key", "attributes", "size", "on-error")
@settings(*READING_SETTINGS)
@options(*GENERAL_OPTIONS)
def inspect(
    data: Path,
    picture: Path | None,
    report: Path | None,
    group_key: str | None,
    against: str | None,
    attributes: tuple[str, ...],
    value_range: tuple[float, float] | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **reading: Any,
) -> None:
    """Show the class counts of DATA, and problems to look into before training.

    Finds copies (also mirrored or cropped ones), test images in the training part,
    wrong or conflicting labels, outliers, dark, bright, blurred or empty images, odd
    sizes, values out of range, groups in both parts, and small classes. Findings do not
    change the exit code.
    """
    from balancegan.cli.display import Display, echo_json
    from balancegan.cli.tasks import describe_format
    from balancegan.data.inspection import count_values, inspect_labelled
    from balancegan.data.reading import read_images
    from balancegan.phases import recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())

    if picture is not None:
        check_new(picture, overwrite=overwrite, data=data, suffix=".png")
    if report is not None:
        check_new(report, overwrite=overwrite, data=data, suffix=".html")
    with show_progress("Reading", visible=not quiet, says_end=True):
        labelled = read_images(data, value_range=value_range, **reading)
    refuse_sources(labelled, [picture, report])
    values = {name: count_values(labelled.column(name)) for name in attributes}
    with show_progress("Checking", visible=not quiet, says_end=True):
        inspection = inspect_labelled(
            labelled, value_range=value_range, against=against, group_key=group_key
        )
    display = Display(quiet=quiet)
    layout = labelled.format_settings(value_range)
    notes = [*inspection.notes, *_note_refusal(labelled.images, layout)]
    display.say_notes(notes)
    display.show_inspection(inspection, labelled.name)
    for column, counts in values.items():
        display.show_values(column, counts)
    if picture is not None:
        _write_picture(picture, labelled, inspection)
        display.say(f"wrote {picture}")
    if report is not None:
        inspection.to_html(report)
        display.say(f"wrote {report}")
    if as_json:
        facts = {
            "data": str(data),
            "picture": None if picture is None else str(picture),
            "report": None if report is None else str(report),
            "images": describe_format(inspection.image_format),
            "imbalance_ratio": inspection.imbalance_ratio,
            "classes": [
                {"label": _as_label(label), "name": labelled.name(label), "images": n}
                for label, n in inspection.counts.items()
            ],
            "attributes": [
                {"name": column, "values": _describe_values(counts)}
                for column, counts in values.items()
            ],
        }
        findings = _describe_findings(inspection)
        echo_json(facts, times, notes=notes, findings=findings)


def _note_refusal(images: np.ndarray, layout: dict[str, Any]) -> list[str]:
    """Return why training would refuse images of 8 bits, if it would."""
    from balancegan.errors import DataError
    from balancegan.images import find_format

    try:
        if images.dtype.itemsize == 1:
            find_format(images, **layout)
    except DataError as error:
        return [f"training refuses these images: {error}"]
    return []


def _describe_values(counts: dict[Any, int]) -> list[dict[str, Any]]:
    return [{"value": _as_label(value), "images": n} for value, n in counts.items()]


def _as_label(value: Any) -> Any:
    """Return a label for JSON, with NaN and infinity as texts."""
    is_number = isinstance(value, float) and math.isfinite(value)
    return value if is_number or not isinstance(value, float) else str(value)


def _describe_findings(inspection: "Inspection") -> list[dict[str, Any]]:
    """Return findings for JSON, with the names of files."""
    train, *others = [part.part for part in inspection.examined.parts]
    test = others[0] if others else None
    return [
        {
            **asdict(finding),
            "files": _name_rows(train, finding.rows),
            "test_files": _name_rows(test, finding.test_rows),
        }
        for finding in inspection.results
    ]


def _name_rows(part: "ImagePart | None", rows: Iterable[int]) -> list[str] | None:
    """Return the names of the files of rows, None if images are in arrays."""
    if part is None or part.names is None:
        return None
    return [str(part.names[row]) for row in rows]


def _write_picture(
    path: Path, labelled: "LabelledImages", inspection: "Inspection"
) -> None:
    """Write a row of images per class, evenly spaced in the data."""
    from balancegan.pictures import show_classes, shrink_images, write_png

    image_format, counts = inspection.image_format, inspection.counts
    shown = set(sorted(counts, key=lambda label: counts[label])[:SHOWN_CLASSES])
    names, images = [], []
    for label in counts:
        if label not in shown:
            continue
        rows = np.flatnonzero(labelled.labels == label)
        places = np.linspace(0, len(rows) - 1, min(SHOWN_PER_CLASS, len(rows)))
        chosen = labelled.images[rows[places.round().astype(int)]]
        # Show images with values out of range, too
        chosen = np.clip(chosen, image_format.low, image_format.high)
        chosen = image_format.to_uint8(np.nan_to_num(chosen, nan=image_format.low))
        names.append(f"{labelled.name(label)} ({counts[label]:,})")
        images.append(shrink_images(chosen, MOST_PIXELS))
    write_png(path, show_classes(names, {"training images": images}))
