"""Options and settings of the commands, each named as the argument that it sets.

Settings are rarely needed: only the TOML file of ``--config`` takes them. A command
chooses which parameters of :data:`PARAMETERS` are options, and which are settings.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from balancegan.cli.command import (
    CLASSES,
    DATA,
    EVALUATION,
    GENERAL,
    OUTPUT,
    TRAINING,
    Option,
    Setting,
    read_config,
)
from balancegan.cli.option_types import (
    MOVES_TYPE,
    NAMES,
    SHAPE,
    SIZE,
    STEPS,
    IntegerType,
    NumberType,
    OutputType,
)

Decorator = Callable[[Any], Any]


class Parameter:
    """The arguments of click.option. Without names, the key is the name."""

    def __init__(self, *names: str, **attributes: Any) -> None:
        self.names, self.attributes = names, attributes


PATH = click.Path(path_type=Path)
OUTPUT_PATH = OutputType(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
POSITIVE = NumberType(0, min_open=True)

PARAMETERS = {
    "out": Parameter(
        "-o",
        "--out",
        type=OUTPUT_PATH,
        help="What to write: an .npz, .csv or .parquet file, or a folder of images.",
    ),
    "overwrite": Parameter(is_flag=True, help="Replace existing output."),
    "target": Parameter(
        "-t",
        "--target",
        "targets",
        multiple=True,
        metavar="CLASS=COUNT|STRATEGY",
        help="Final count of a class (repeat for more; write the values of a "
        "combination with commas between). Or one strategy: not-majority, minority, "
        "not-minority, all, combinations (also those without an image), or a multiple "
        "of the largest class, such as 0.5 or 2.  [default: auto, same as "
        "not-majority]",
    ),
    "balance-on": Parameter(
        type=NAMES,
        help="Columns whose values or combinations are the classes to balance, such as "
        "label,colour.  [default: label]",
    ),
    "max-ratio": Parameter(
        type=NumberType(0),
        help="Most synthetic images per real one of a class.",
    ),
    "gan-share": Parameter(
        type=NumberType(0, 1),
        help="Largest share of a class that may be generated; the rest is filled with "
        "copies. 0: copies only, no GAN is trained. 1: generated images only.  "
        "[default: 0.1; 0 for image files more than twice as large as generated "
        "images]",
    ),
    "moves": Parameter(
        type=MOVES_TYPE,
        default="shift",
        show_default=True,
        help="How copies may be moved: shift (half of them, by up to 1/14 of the "
        "sides), mirror, half-turn, quarter-turn; auto (shift, and the moves found to "
        "keep the class; takes about a minute); or none, which is better if your "
        "training augments images.",
    ),
    "reject": Parameter(
        "--reject/--no-reject",
        default=True,
        help="Whether to reject generated images that are near-copies, repetitions, of "
        "another class or unrealistic.  [default: true]",
    ),
    "best-of": Parameter(
        type=IntegerType(1),
        default=1,
        help="Number of generated images to choose each accepted one from.  "
        "[default: 1]",
    ),
    "truncation": Parameter(
        type=POSITIVE,
        help="Limit latents to this many standard deviations: images are more typical "
        "and less varied.",
    ),
    "images-key": Parameter(
        metavar="KEY",
        help="Array of DATA with images, or column with file names.",
    ),
    "labels-key": Parameter(metavar="KEY", help="Array or column of DATA with labels."),
    "attributes": Parameter(
        type=NAMES,
        default=(),
        help="Columns of DATA that are labels too, such as colour,size.",
    ),
    "group-key": Parameter(
        metavar="KEY",
        help="Array or column of DATA that says what each image was taken from, such "
        "as a photo or a person. Images of one group stay on one side of a split.",
    ),
    "size": Parameter(
        type=SIZE,
        help="Size that image files are resized to.  [default: their own, or the "
        "median scaled down to 64; 128 to train on a GPU and to compare methods]",
    ),
    "on-error": Parameter(
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="What to do about unusable image files.",
    ),
    "images-root": Parameter(
        type=PATH,
        help="Folder that the file names of a table start from.  [default: that of the "
        "table]",
    ),
    "image-shape": Parameter(
        type=SHAPE,
        help="Height, width and channels, such as [28, 28], of flat images (a row of "
        "values each) or of images whose channels come first.",
    ),
    "fit": Parameter(
        type=click.Choice(["pad", "crop", "stretch"]),
        help="How to handle image files with a different aspect ratio: pad, crop or "
        "stretch.  [default: stretch by up to 10 %, else pad]",
    ),
    "follow-links": Parameter(
        is_flag=True,
        help="Whether to follow links to folders and out of DATA.  [default: false]",
    ),
    "value-range": Parameter(
        nargs=2,
        type=float,
        help="Values of black and white, such as [0, 1]; in image files of more than 8 "
        "bits, the values that become 0 and 255.  [default: inferred]",
    ),
    "preset": Parameter(
        type=click.Choice(["default", "tutorial"]),
        default="default",
        help="Networks and recipe: default or tutorial.",
    ),
    "steps": Parameter(
        type=STEPS,
        help="Training steps; auto: until image quality stops improving.  [default: "
        "the preset's number]",
    ),
    "max-minutes": Parameter(
        type=NumberType(0, 1_000_000, min_open=True),
        help="Longest training time.",
    ),
    "batch-size": Parameter(
        type=IntegerType(2),
        help="Images per training step.  [default: the preset's]",
    ),
    "learning-rate": Parameter(
        type=POSITIVE,
        help="Learning rate of both networks.  [default: the preset's]",
    ),
    "precision": Parameter(
        type=click.Choice(["float32", "auto", "mixed_bfloat16"]),
        default="float32",
        help="float32, mixed_bfloat16, or auto: mixed_bfloat16 on GPUs and TPUs that "
        "support it.  [default: float32]",
    ),
    "log-dir": Parameter(
        type=click.Path(file_okay=False),
        help="Folder for training logs: losses, image quality and sample grids, in a "
        "new folder per run.",
    ),
    "tensorboard": Parameter(
        is_flag=True,
        help="Whether log-dir also gets TensorBoard event files.  [default: false]",
    ),
    "random-state": Parameter(
        type=IntegerType(0, 2**32 - 1),
        help="Seed that makes results repeatable.  [default: a new one every time]",
    ),
    "resume": Parameter(
        is_flag=True,
        help="Resume the interrupted training of the same command with bit-identical "
        "results, and replace its output.",
    ),
    "seeds": Parameter(
        type=IntegerType(1),
        default=3,
        show_default=True,
        help="Runs of each method, on each fold if there are folds. One run without "
        "folds gives no verdict.",
    ),
    "folds": Parameter(
        type=IntegerType(2),
        help="Cross-validate on the training part with this many folds.  [default: "
        "use the test part, or 5 folds without one]",
    ),
    "cache": Parameter(
        type=FOLDER,
        help="Folder that keeps finished runs and generated images. The same command "
        "resumes an interrupted comparison.",
    ),
    "jobs": Parameter(
        "--jobs",
        "n_jobs",
        type=IntegerType(1),
        default=1,
        help="Number of runs at the same time.  [default: 1]",
    ),
    "fail-if-worse": Parameter(
        is_flag=True,
        help="Exit with code 3 if synthetic images reduce accuracy.",
    ),
    "fine-tune": Parameter(
        is_flag=True,
        help="Whether to train all layers of the Keras model of --classifier.  "
        "[default: false, the last layer only]",
    ),
    "classifier-steps": Parameter(
        type=IntegerType(1),
        help="Training steps of the classifier: of 128 images each, or of 32 images of "
        "more than 64 pixels.  [default: 1000]",
    ),
    "config": Parameter(
        "-c",
        "--config",
        type=PATH,
        is_eager=True,
        expose_value=False,
        callback=read_config,
        help="TOML file with options (names without dashes, such as steps = 500) and "
        "further settings. Options at the command line take precedence.",
    ),
    "json": Parameter(
        "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
    ),
    "quiet": Parameter(
        "-q", "--quiet", is_flag=True, help="Print warnings and errors only."
    ),
}

NAMES_UNDER = {
    OUTPUT: "out overwrite log-dir tensorboard",
    CLASSES: "target balance-on max-ratio gan-share moves reject best-of truncation",
    DATA: "images-key labels-key attributes group-key size on-error "
    "images-root image-shape fit follow-links value-range",
    TRAINING: "preset steps max-minutes batch-size learning-rate precision "
    "random-state resume",
    EVALUATION: "seeds folds cache jobs fail-if-worse fine-tune classifier-steps",
    GENERAL: "config json quiet",
}
HEADING_OF = {
    name: heading for heading, names in NAMES_UNDER.items() for name in names.split()
}

READING_SETTINGS = (
    "images-root",
    "image-shape",
    "fit",
    "follow-links",
    "value-range",
)
GENERAL_OPTIONS = ("config", "json", "quiet")


def options(*names: str, **changes: Any) -> Decorator:
    """Return a decorator that gives a command options; `changes` are for all."""
    return _declare(Option, names, changes)


def settings(*names: str) -> Decorator:
    """Return a decorator that gives a command settings."""
    return _declare(Setting, names, {})


def option(*names: str, heading: str, **attributes: Any) -> Decorator:
    """Return a decorator that gives a command an option of its own."""
    return click.option(*names, cls=Option, heading=heading, **attributes)


def _declare(
    cls: type[Option], names: Sequence[str], changes: dict[str, Any]
) -> Decorator:
    def add(command: Any) -> Any:
        """Add the options to a command, in the order of their names."""
        for name in reversed(names):
            parameter = PARAMETERS[name]
            attributes = parameter.attributes | {"heading": HEADING_OF[name]} | changes
            declarations = parameter.names or (f"--{name}",)
            command = click.option(*declarations, cls=cls, **attributes)(command)
        return command

    return add


def take(given: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Remove some parameters from those of a command, and return them."""
    names = [key.replace("-", "_") for key in keys]
    return {name: given.pop(name) for name in names if name in given}


AUGMENTER_SETTINGS = ("max-ratio", "reject", "best-of", "truncation")
NETWORK_SETTINGS = ("preset", "batch-size", "learning-rate", "precision")
# Parameters that reading data, and training, take
READING = (
    "images-key",
    "labels-key",
    "images-root",
    "image-shape",
    "size",
    "fit",
    "on-error",
    "follow-links",
)
TRAINING_PARAMETERS = (
    *NETWORK_SETTINGS,
    "steps",
    "max-minutes",
    "log-dir",
    "tensorboard",
    "random-state",
    "attributes",
    "resume",
)
