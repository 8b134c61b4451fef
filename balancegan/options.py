"""Options that several commands share, each named as the argument that it sets."""

from collections.abc import Callable
from typing import Any

import click

TRAINING_PARAMETERS = (
    "preset",
    "steps",
    "max_minutes",
    "batch_size",
    "learning_rate",
    "log_dir",
    "tensorboard",
    "random_state",
)


class StepsType(click.ParamType):
    """A number of steps, or "auto"."""

    name = "number|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number, or "auto"."""
        if value == "auto":
            return "auto"
        return click.IntRange(1).convert(value, param, ctx)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that set the augmenter's parameters, under their names."""
    options = (
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
            type=click.FloatRange(0, min_open=True),
            help="End training after so many minutes.",
        ),
        click.option("--batch-size", type=click.IntRange(2), help="Images per step."),
        click.option(
            "--learning-rate",
            type=click.FloatRange(0, min_open=True),
            help="Adam's, for both networks.",
        ),
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
            type=click.IntRange(0, 2**32 - 1),
            help="Makes the result repeatable.  [default: another one every time]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the images are in DATA."""
    options = (
        click.option("--images-key", metavar="KEY", help="Array of DATA with images."),
        click.option("--labels-key", metavar="KEY", help="Array of DATA with labels."),
        click.option(
            "--value-range",
            nargs=2,
            type=float,
            metavar="BLACK WHITE",
            help="Values of black and white.  [default: found out]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json and --quiet."""
    command = click.option("--quiet", is_flag=True, help="Say nothing on stderr.")(
        command
    )
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
    )(command)


overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace what a run before has written."
)
