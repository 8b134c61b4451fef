"""The command line: translates options, calls the library, prints, exits.

People read stderr; stdout holds one JSON object with --json and nothing else. Exit
codes: 0 done, 1 the work failed, 2 wrong usage or bad input, 130 interrupted. Heavy
modules are imported in the commands, so that --help is quick.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from balancegan.errors import DataError, SavedModelError, TrainingFailed
from balancegan.files import check_folder
from balancegan.options import (
    TRAINING_PARAMETERS,
    data_options,
    output_options,
    overwrite_option,
    training_options,
)

if TYPE_CHECKING:
    from balancegan.datasets import LabelledImages
    from balancegan.images import ImageFormat

PATH = click.Path(path_type=Path)


class InputRefused(click.ClickException):
    """Bad input: one line on stderr, exit code 2."""

    exit_code = 2


class CommandGroup(click.Group):
    """Turns every failure that we know of into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (DataError, SavedModelError) as error:
            raise InputRefused(_one_line(error)) from error
        except (TrainingFailed, OSError, MemoryError) as error:
            reason = _one_line(error) or type(error).__name__
            raise click.ClickException(reason) from error
        except KeyboardInterrupt:
            click.echo("\nInterrupted: nothing unfinished is left behind.", err=True)
            ctx.exit(130)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="balancegan")
def main() -> None:
    """Balance labelled image sets with a conditional GAN.

    \b
    balancegan inspect data.npz
    balancegan balance data.npz --out balanced.npz
    """  # noqa: D301


@main.command()
@click.argument("data", type=PATH)
@data_options
@output_options
def inspect(data: Path, as_json: bool, quiet: bool, **options: Any) -> None:
    """Show the class counts of DATA, and what to look into."""
    from balancegan.display import Display, describe_format
    from balancegan.inspection import inspect_images

    value_range = options.pop("value_range")
    labelled, image_format = _read(data, value_range, **options)
    inspection = inspect_images(
        labelled.images, labelled.labels, image_format, labelled.name
    )
    Display(quiet=quiet).show_inspection(inspection, labelled.name)
    if as_json:
        facts = {
            "data": str(data),
            "images": describe_format(image_format),
            "imbalance_ratio": inspection.imbalance_ratio,
            "classes": [
                {"label": label, "name": labelled.name(label), "images": n}
                for label, n in inspection.counts.items()
            ],
            "warnings": inspection.warnings,
        }
        click.echo(json.dumps(facts))


@main.command()
@click.argument("data", type=PATH)
@click.option("--out", type=PATH, help="The .npz file to write.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="CLASS=COUNT|STRATEGY",
    help="Final count of a class (repeat for others), or one strategy: not-majority, "
    "minority, not-minority, all, or a share of the largest class such as 0.5.  "
    "[default: auto, which is not-majority]",
)
@click.option(
    "--max-ratio",
    type=click.FloatRange(0),
    help="At most so many synthetic images per real one of a class.",
)
@click.option(
    "--model",
    type=PATH,
    help="Use a saved model instead of training.",
)
@click.option(
    "--picture",
    type=PATH,
    help="Also write a PNG with real beside synthetic images.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be made, how long it would take and how much memory.",
)
@data_options
@training_options
@overwrite_option
@output_options
def balance(
    data: Path,
    out: Path | None,
    targets: tuple[str, ...],
    max_ratio: float | None,
    model: Path | None,
    picture: Path | None,
    dry_run: bool,
    images_key: str | None,
    labels_key: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write a balanced copy of DATA, with synthetic images in its training part."""
    from balancegan.balance import class_counts, parse_strategy, plan_synthesis
    from balancegan.datasets import check_output
    from balancegan.display import Display, describe_format

    # What can be refused is refused before any training
    display = Display(quiet=quiet)
    if model is not None:
        _refuse_training_options()
    if out is not None:
        check_output(out, data, overwrite=overwrite)
    elif not dry_run:
        raise click.UsageError("Missing option '--out' (or '--dry-run').")
    if picture is not None:
        _check_folder(picture)
    labelled, image_format = _read(data, options["value_range"], images_key, labels_key)
    strategy = parse_strategy(targets, labelled.find_label)
    plan = plan_synthesis(labelled.labels, strategy, max_ratio)
    counts = class_counts(labelled.labels)
    display.show_plan(counts, plan, labelled.name)

    settings = {**options, "sampling_strategy": strategy, "max_ratio": max_ratio}
    _start_tensorflow()
    from balancegan.jobs import balance_file, estimate_file

    if out is None or dry_run:
        facts = estimate_file(labelled, plan, {**settings, "verbose": 0}, model)
        display.say_estimate(facts, sum(plan.values()))
    else:
        facts = balance_file(
            labelled,
            strategy,
            plan,
            {**settings, "verbose": int(not quiet)},
            model=model,
            out=out,
            picture=picture,
        )
        display.say_cost(out, facts, labelled.aligned_keys)
    if as_json:
        classes = [
            {
                "label": label,
                "name": labelled.name(label),
                "real": n,
                "synthetic": plan[label],
            }
            for label, n in counts.items()
        ]
        report = {
            "data": str(data),
            "out": None if out is None else str(out),
            "dry_run": dry_run,
            "images": describe_format(image_format),
            "classes": classes,
            "arrays_not_extended": labelled.aligned_keys,
        }
        click.echo(json.dumps({**report, **facts}))


@main.command()
@click.argument("data", type=PATH)
@click.option(
    "--model",
    type=PATH,
    required=True,
    help="The directory to save the model in.",
)
@data_options
@training_options
@overwrite_option
@output_options
def train(
    data: Path,
    model: Path,
    images_key: str | None,
    labels_key: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train on DATA and save the model, for balance and generate."""
    from balancegan.display import Display

    labelled, _ = _read(data, options["value_range"], images_key, labels_key)
    _start_tensorflow()
    from balancegan.jobs import train_file
    from balancegan.persistence import check_destination

    check_destination(model, overwrite=overwrite)
    settings = {**options, "verbose": int(not quiet)}
    facts = train_file(labelled, settings, model, overwrite=overwrite)
    Display(quiet=quiet).say(
        f"{model}: {facts['steps']} steps in {facts['training_seconds']:.0f} s, of "
        f"which the state of step {facts['kept_step']} is kept, seed {facts['seed']}"
    )
    if as_json:
        click.echo(json.dumps({"data": str(data), "model": str(model), **facts}))
    if facts["interrupted"]:
        click.echo(f"Interrupted: {model} holds the best state so far.", err=True)
        click.get_current_context().exit(130)


@main.command()
@click.argument("model", type=PATH)
@click.option("--class", "class_name", required=True, help="The class to make.")
@click.option("--n", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--first",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Number of the first image: image k of a class is always the same.",
)
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="A .npz file, a .png file (all images in one picture) or a folder of PNGs.",
)
@overwrite_option
@output_options
def generate(
    model: Path,
    class_name: str,
    n: int,
    first: int,
    out: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make images of one class with a saved MODEL."""
    from balancegan.display import Display

    _check_folder(out)
    if out.exists() and not overwrite:
        raise InputRefused(
            f"{out} exists already. Allow it to be overwritten (--overwrite), or "
            "choose another name."
        )
    _start_tensorflow()
    from balancegan.jobs import generate_files

    facts = generate_files(model, class_name, n, first, out)
    Display(quiet=quiet).say(f"{out}: {n} images of class {class_name}")
    if as_json:
        click.echo(json.dumps({"model": str(model), "n": n, "first": first, **facts}))


@main.command()
@click.option(
    "--out",
    type=PATH,
    default=Path("balancegan-demo"),
    show_default=True,
    help="Folder for the data and the picture.",
)
@training_options
@overwrite_option
@output_options
def demo(
    out: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Do all of it on scikit-learn's handwritten digits, made imbalanced.

    Needs no download and a few minutes.
    """
    from balancegan.datasets import save_demo_digits

    ctx = click.get_current_context()
    _check_folder(out)
    out.mkdir(exist_ok=True)
    source = out / "digits-imbalanced.npz"
    save_demo_digits(source)
    ctx.invoke(inspect, data=source, as_json=False, quiet=quiet, value_range=None)
    ctx.invoke(
        balance,
        data=source,
        out=out / "digits-balanced.npz",
        picture=out / "real-and-synthetic.png",
        overwrite=overwrite,
        as_json=as_json,
        quiet=quiet,
        **options,
    )


def _start_tensorflow() -> None:
    """Import TensorFlow without its start-up noise, which ignores all settings."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as noise:
        stderr = os.dup(2)
        os.dup2(noise.fileno(), 2)
        try:
            import keras

            keras.ops.zeros(())  # starts the devices, with more noise
        except Exception:
            os.dup2(stderr, 2)
            noise.seek(0)
            click.echo(noise.read().decode(errors="replace"), err=True)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _read(
    path: Path,
    value_range: tuple[float, float] | None,
    images_key: str | None = None,
    labels_key: str | None = None,
) -> "tuple[LabelledImages, ImageFormat]":
    from balancegan.datasets import read_npz
    from balancegan.images import find_format

    labelled = read_npz(path, images_key, labels_key)
    return labelled, find_format(labelled.images, value_range=value_range)


def _refuse_training_options() -> None:
    """Refuse options that a saved model leaves without effect."""
    ctx = click.get_current_context()
    given = [
        option.opts[0]
        for option in ctx.command.params
        if option.name in TRAINING_PARAMETERS
        and ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise InputRefused(
            "A saved model is not trained again, so these options have no effect "
            f"with --model: {', '.join(given)}. Leave them out, or leave out --model."
        )


def _check_folder(path: Path) -> None:
    reason = check_folder(path)
    if reason is not None:
        raise InputRefused(f"{path} cannot be written: {reason}.")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
