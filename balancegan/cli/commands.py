"""The command line: translates options, calls the library, prints, exits.

People read stderr; stdout holds one JSON object with --json and nothing else. Exit
codes: 0 done, 1 the work failed, 2 wrong usage or bad input, 3 done and found worse
where that shall fail, 130 interrupted, 143 told to end (SIGTERM). Heavy modules are
imported in the commands, so that --help is quick.
"""

from pathlib import Path
from typing import Any

import click

from balancegan.cli.balance_command import balance
from balancegan.cli.edge import (
    OUTPUT,
    PATH,
    CommandGroup,
    load_tensorflow,
    read_data,
)
from balancegan.cli.evaluate_command import evaluate
from balancegan.cli.generate_command import generate
from balancegan.cli.inspect_command import inspect
from balancegan.cli.options import (
    READING_PARAMETERS,
    attributes_option,
    data_options,
    format_option,
    output_options,
    overwrite_option,
    resume_option,
    take,
    training_options,
)
from balancegan.cli.places import check_apart, check_new


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="balancegan")
def main() -> None:
    """Balance labelled image sets with a conditional GAN.

    \b
    balancegan inspect data.npz
    balancegan balance data.npz --out balanced.npz
    """  # noqa: D301


main.add_command(balance)
main.add_command(evaluate)
main.add_command(generate)
main.add_command(inspect)


@main.command()
@click.argument("data", type=PATH)
@click.option(
    "--model",
    type=OUTPUT,
    required=True,
    help="The directory to save the model in.",
)
@click.option(
    "--strategy",
    type=click.Choice(["auto", "multi-worker"]),
    default="auto",
    show_default=True,
    help="Who trains together: the GPUs of this machine, or the processes that the "
    "environment variable TF_CONFIG names, each started with this same command.",
)
@attributes_option
@data_options
@training_options
@resume_option
@overwrite_option
@output_options
def train(
    data: Path,
    model: Path,
    attributes: tuple[str, ...],
    resume: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train on DATA and save the model, for balance and generate."""
    from balancegan.cli.display import Display
    from balancegan.cli.facts import echo_json
    from balancegan.cli.resuming import find_begun, written_down
    from balancegan.cli.tasks import choose_largest_side
    from balancegan.gan.devices import MULTI_WORKER, writes_results
    from balancegan.phases import describe_times, recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())
    if options["log_dir"] is not None:
        check_apart(Path(options["log_dir"]), data, [model])
    display = Display(quiet=quiet)
    writes = writes_results(options["strategy"])
    begun = writes and find_begun(model, display.say, resume=resume, anew=overwrite)
    how = take(options, READING_PARAMETERS)
    how["largest_side"] = choose_largest_side(options, quiet=quiet)
    with show_progress("Reading", visible=not quiet, says_end=True):
        labelled, _ = read_data(data, options["value_range"], **how)
    options |= labelled.format_settings(options["value_range"])
    display.say_notes(labelled.notes)
    labelled = labelled.with_attributes(attributes)
    load_tensorflow(quiet=quiet, joins_others=options["strategy"] == MULTI_WORKER)
    from balancegan.cli.training import train_file
    from balancegan.gan.saving import check_destination

    overwrite |= begun
    settings = {**options, "verbose": int(not quiet)}
    if not writes:
        train_file(labelled, settings, None, overwrite=False, checkpoints=None)
        display.say("trained; the first of the workers saves the model")
        return
    check_new(model, overwrite=True, data=data, is_folder=True)
    check_destination(model, overwrite=overwrite)
    with written_down(model, anew=not resume) as checkpoints:
        facts = train_file(
            labelled, settings, model, overwrite=overwrite, checkpoints=checkpoints
        )
    display.say(
        f"{model}: {facts['steps']} steps in {facts['training_seconds']:.0f} s, of "
        f"which the state of step {facts['kept_step']} is kept, seed {facts['seed']}"
    )
    display.say(describe_times(times.read()))
    if as_json:
        facts = {"data": str(data), "model": str(model), **facts}
        echo_json(facts, times, notes=labelled.notes)


@main.command()
@click.argument("data", type=PATH)
@click.option(
    "--out",
    type=OUTPUT,
    required=True,
    help="What to write: an .npz, .csv or .parquet file, or a folder.",
)
@format_option
@data_options
@overwrite_option
@output_options
def convert(
    data: Path,
    out: Path,
    format: str | None,
    value_range: tuple[float, float] | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **how: Any,
) -> None:
    """Write DATA as another kind: images, labels, parts and columns."""
    from balancegan.cli.display import Display, describe_format
    from balancegan.cli.facts import echo_json
    from balancegan.data.filewriting import note_pixels
    from balancegan.data.outputs import IMAGE_FILES, check_output, output_format
    from balancegan.data.writing import check_writable, write_images
    from balancegan.phases import recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())
    check_output(out, data, overwrite=overwrite, format=format, with_card=True)
    with show_progress("Reading", visible=not quiet, says_end=True):
        labelled, image_format = read_data(data, value_range, may_be_dim=True, **how)
    display, notes = Display(quiet=quiet), list(labelled.notes)
    if output_format(out, format) in IMAGE_FILES:
        notes += note_pixels(image_format)
    display.say_notes(notes)
    check_writable(out, labelled, format, image_format)
    with show_progress("Writing", visible=not quiet):
        write_images(out, labelled, format=format, image_format=image_format)
    counts = {name: len(part.labels) for name, part in labelled.parts.items()}
    numbers = ", ".join(f"{n} {name}" for name, n in counts.items())
    display.say(f"wrote {out}: {numbers} images, {describe_format(image_format)}")
    if as_json:
        facts = {"data": str(data), "out": str(out), "images": counts}
        echo_json(facts, times, notes=notes)


@main.command()
@click.option(
    "--out",
    type=OUTPUT,
    default=Path("balancegan-demo"),
    show_default=True,
    help="Folder for the data and the picture.",
)
@training_options
@resume_option
@overwrite_option
@output_options
def demo(
    out: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Do all of it on scikit-learn's handwritten digits, made imbalanced.

    Needs no download and a few minutes.
    """
    from balancegan.data.demo import save_demo_digits

    ctx = click.get_current_context()
    check_new(out, overwrite=True, is_folder=True)
    source = out / "digits-imbalanced.npz"
    if out.is_dir():
        check_new(source, overwrite=overwrite or resume)
    out.mkdir(exist_ok=True)
    save_demo_digits(source)
    ctx.invoke(
        inspect,
        data=source,
        as_json=False,
        quiet=quiet,
        value_range=None,
        overwrite=False,
    )
    ctx.invoke(
        balance,
        data=source,
        out=out / "digits-balanced.npz",
        picture=out / "real-and-synthetic.png",
        resume=resume,
        overwrite=overwrite,
        as_json=as_json,
        quiet=quiet,
        **options,
    )
