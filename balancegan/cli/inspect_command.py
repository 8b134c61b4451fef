"""Looking at a data set before training, at the command line."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from balancegan.cli.edge import PATH, check_parent
from balancegan.cli.options import data_options, output_options

if TYPE_CHECKING:
    from balancegan.data.datasets import LabelledImages
    from balancegan.data.findings import Part
    from balancegan.data.inspection import Inspection

# In the picture
SHOWN_PER_CLASS = 10
SHOWN_CLASSES = 50  # the smallest ones, if there are more
MOST_PIXELS = 96  # longer sides are scaled down to it


@click.command()
@click.argument("data", type=PATH)
@click.option(
    "--picture", type=PATH, help="Also write a PNG with some images of each class."
)
@click.option(
    "--group-key",
    metavar="KEY",
    help="Array of DATA that says what each training image was taken from; that of the "
    'test images is called alike, with "test" for "train".',
)
@data_options
@output_options
def inspect(
    data: Path,
    picture: Path | None,
    group_key: str | None,
    images_key: str | None,
    labels_key: str | None,
    value_range: tuple[float, float] | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show the class counts of DATA, and what to look into before training.

    Copies, test images in the training part, conflicting labels, empty images, values
    out of range, groups in both parts, small classes. Whatever is found, the exit code
    is 0.
    """
    from balancegan.cli.display import Display, describe_format
    from balancegan.data.datasets import read_npz
    from balancegan.data.inspection import inspect_images

    if picture is not None:
        check_parent(picture)
    labelled = read_npz(data, images_key, labels_key)
    train, test = _read_parts(labelled, group_key)
    inspection = inspect_images(
        train, test, value_range=value_range, name=labelled.name
    )
    display = Display(quiet=quiet)
    display.show_inspection(inspection, labelled.name)
    if picture is not None:
        _write_picture(picture, labelled, inspection)
        display.say(f"wrote {picture}")
    if as_json:
        facts = {
            "data": str(data),
            "picture": None if picture is None else str(picture),
            "images": describe_format(inspection.image_format),
            "imbalance_ratio": inspection.imbalance_ratio,
            "classes": [
                {"label": label, "name": labelled.name(label), "images": n}
                for label, n in inspection.counts.items()
            ],
            "findings": [asdict(finding) for finding in inspection.findings],
        }
        click.echo(json.dumps(facts))


def _read_parts(
    labelled: "LabelledImages", group_key: str | None
) -> "tuple[Part, Part | None]":
    """Return the training part and, if the file has one, the test part."""
    from balancegan.data.archives import load_arrays
    from balancegan.data.datasets import read_groups, read_test_part
    from balancegan.data.findings import Part

    groups: Any = None
    test_groups: Any = None
    if group_key is not None:
        groups = read_groups(labelled, group_key)
        test_key = group_key.replace("train", "test")
        if test_key != group_key:
            test_groups = load_arrays(labelled.path).get(test_key)
    test_part = read_test_part(labelled)
    train = Part(labelled.images, labelled.labels, groups)
    return train, None if test_part is None else Part(*test_part, test_groups)


def _write_picture(
    path: Path, labelled: "LabelledImages", inspection: "Inspection"
) -> None:
    """Write a row of images for each class, taken at even distances in the file."""
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
        # Values that the audit complains of are shown all the same
        chosen = np.clip(chosen, image_format.low, image_format.high)
        chosen = image_format.to_uint8(np.nan_to_num(chosen, nan=image_format.low))
        names.append(f"{labelled.name(label)} ({counts[label]:,})")
        images.append(shrink_images(chosen, MOST_PIXELS))
    write_png(path, show_classes(names, {"training images": images}))
