"""Options that several commands share, each named as the argument that it sets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from balancegan.cli.option_types import (
    IntegerType,
    MovesType,
    NamesType,
    NumberType,
    ShapeType,
    SizeType,
    StepsType,
)

RECIPE_PARAMETERS = (
    "preset",
    "steps",
    "max_minutes",
    "batch_size",
    "learning_rate",
    "precision",
)
TRAINING_PARAMETERS = (
    *RECIPE_PARAMETERS,
    "log_dir",
    "tensorboard",
    "random_state",
    "attributes",
)


SCREENING_PARAMETERS = ("reject", "best_of", "truncation")
METHOD_PARAMETERS = ("gan_share", "moves")

READING_PARAMETERS = (
    "images_key",
    "labels_key",
    "images_root",
    "image_shape",
    "size",
    "fit",
    "on_error",
    "follow_links",
)

COMPARISON_PARAMETERS = (
    "report",
    "seeds",
    "folds",
    "group_key",
    "cache",
    "n_jobs",
    "fail_if_worse",
)


Command = Callable[..., Any]


def add_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds options, which --help lists in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def take(options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Take some options out of those that a command was given."""
    return {name: options.pop(name) for name in names}


# The augmenter's parameters, under their names
recipe_options = add_options(
    click.option(
        "--preset",
        type=click.Choice(["default", "tutorial"]),
        default="default",
        show_default=True,
        help="Networks and recipe.",
    ),
    click.option(
        "--steps",
        type=StepsType(),
        help="Training steps, or auto: until the images become no better.  "
        "[default: the preset's]",
    ),
    click.option(
        "--minutes",
        "max_minutes",
        type=NumberType(0, 1_000_000, min_open=True),
        help="End training after so many minutes.",
    ),
    click.option("--batch-size", type=IntegerType(2), help="Images per step."),
    click.option(
        "--learning-rate",
        type=NumberType(0, min_open=True),
        help="Adam's, for both networks.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["float32", "auto", "mixed_bfloat16"]),
        default="float32",
        show_default=True,
        help="What the networks compute in; auto is bfloat16 on GPUs and TPUs that "
        "have units for it.",
    ),
)

training_options = add_options(
    recipe_options,
    click.option(
        "--log-dir",
        type=click.Path(file_okay=False),
        help="Write losses, image quality and sample grids to a new folder here.",
    ),
    click.option(
        "--tensorboard",
        is_flag=True,
        help="Write TensorBoard's event files there too.",
    ),
    click.option(
        "--seed",
        "random_state",
        type=IntegerType(0, 2**32 - 1),
        help="Makes the result repeatable.  [default: another one every time]",
    ),
)

target_options = add_options(
    click.option(
        "--target",
        "targets",
        multiple=True,
        metavar="CLASS=COUNT|STRATEGY",
        help="Final count of a class (repeat for others; the values of a combination "
        "have commas between), or one strategy: not-majority, minority, not-minority, "
        "all, combinations (also those that no image has), or a multiple of the "
        "largest class: 0.5 is half of it, 2 raises the largest, too.  "
        "[default: auto, which is not-majority]",
    ),
    click.option(
        "--max-ratio",
        type=NumberType(0),
        help="At most so many synthetic images per real one of a class.",
    ),
    click.option(
        "--reject/--no-reject",
        default=True,
        show_default=True,
        help="Look at the GAN's images, and reject copies, repetitions, and those of "
        "other classes or unlike any real one.",
    ),
    click.option(
        "--best-of",
        type=IntegerType(1),
        default=1,
        show_default=True,
        help="Look at so many images for each one that is taken.",
    ),
    click.option(
        "--truncation",
        type=NumberType(0, min_open=True),
        help="Cut off the latents at so many standard deviations: more typical images, "
        "less varied.",
    ),
    click.option(
        "--gan-share",
        type=NumberType(0, 1),
        help="Largest share of a class that may be generated; the rest is filled with "
        "copies. 0: copies only, no GAN is trained. 1: every new image is generated.  "
        "[default: 0.1; 0 for files more than twice as large as generated images]",
    ),
    click.option(
        "--moves",
        type=MovesType(),
        default="shift",
        show_default=True,
        help="How copies may be moved: shift (half of them, by a fourteenth of the "
        "sides at most), mirror, half-turn, quarter-turn; auto (shift, and those that "
        "are found to keep the class, which takes about a minute); or none, which is "
        "better if your training augments images.",
    ),
)

data_options = add_options(
    click.option(
        "--images-key",
        metavar="KEY",
        help="Array of DATA with images, or column with file names.",
    ),
    click.option(
        "--labels-key", metavar="KEY", help="Array or column of DATA with labels."
    ),
    click.option(
        "--images-root",
        type=click.Path(path_type=Path),
        help="Folder that the file names of a table start from.  [default: that of the "
        "table]",
    ),
    click.option(
        "--image-shape",
        type=ShapeType(),
        help="Height, width and channels, such as 28,28 or 32,32,13, of flat images (a "
        "row of values each) or of images whose channels come first.",
    ),
    click.option(
        "--size",
        type=SizeType(),
        help="Height x width that image files are brought to.  [default: their own, or "
        "the median scaled down to 64; to train on a GPU, and to compare methods, to "
        "128]",
    ),
    click.option(
        "--fit",
        type=click.Choice(["pad", "crop", "stretch"]),
        help="How to handle files with a different aspect ratio.  [default: stretch by "
        "a tenth at most, else pad]",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="What to do about image files that cannot be used.",
    ),
    click.option(
        "--follow-links",
        is_flag=True,
        help="Follow links to folders, and links that lead out of DATA.",
    ),
    click.option(
        "--value-range",
        nargs=2,
        type=float,
        metavar="BLACK WHITE",
        help="Values of black and white; in image files of more than 8 bits, those "
        "that become 0 and 255.  [default: inferred; 0 255 of uint8]",
    ),
)

attributes_option = click.option(
    "--attributes",
    type=NamesType(),
    default=(),
    help="Columns of DATA that are labels too, such as colour,size.",
)

comparison_options = add_options(
    click.option(
        "--report",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write the comparison to a .html or .json file.",
    ),
    click.option(
        "--seeds",
        type=IntegerType(1),
        default=3,
        show_default=True,
        help="Runs of each method, on each fold if there are folds. With one and no "
        "folds there is no verdict.",
    ),
    click.option(
        "--folds",
        type=IntegerType(2),
        help="Compare on folds of the training part. The seeds of a fold are averaged "
        "and count once.  [default: on the test part, or on 5 folds where there is "
        "none]",
    ),
    click.option(
        "--group-key",
        metavar="KEY",
        help="Array or column of DATA: images of one group stay on one side of a fold "
        "or of --holdout. Compares on folds, even if DATA has a test part.",
    ),
    click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Keep finished runs, and images that took long to make, in this folder: "
        "an interrupted comparison resumes, and a comparison with more methods or "
        "another classifier reuses the images.",
    ),
    click.option(
        "--jobs",
        "n_jobs",
        type=IntegerType(1),
        default=1,
        show_default=True,
        help="Runs side by side; each takes its share of the cores, and memory of its "
        "own.",
    ),
    click.option(
        "--fail-if-worse",
        is_flag=True,
        help="Exit with 3 if synthetic images harm.",
    ),
)

output_options = add_options(
    click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
    ),
    click.option(
        "--quiet", is_flag=True, help="Say nothing on stderr but warnings and errors."
    ),
)

balance_on_option = click.option(
    "--balance-on",
    type=NamesType(),
    help="What makes the classes that are balanced: label, or attributes, or "
    "combinations such as label,colour.  [default: label]",
)

format_option = click.option(
    "--format",
    type=click.Choice(["npz", "csv", "parquet", "folder"]),
    help="Format of the output; folder is one of image files.  [default: by its name]",
)

resume_option = click.option(
    "--resume",
    is_flag=True,
    help="Go on with the training of the same command, where it was interrupted or "
    "killed, and replace what it has written.",
)

overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace what a run before has written."
)
