"""The command line: translates options, calls the library, prints, exits.

Messages go to stderr; with --json, stdout holds one JSON object. Exit codes: 0 done, 1
failed, 2 wrong usage or bad input, 3 worse (--fail-if-worse), 130 interrupted, 143
terminated (SIGTERM). Heavy modules are imported in functions, to keep --help fast.
"""

from pathlib import Path
from typing import Any

import click

from balancegan.cli.balance_command import balance
from balancegan.cli.checks import check_apart, check_new, read_data
from balancegan.cli.command import OUTPUT, TRAINING, Command
from balancegan.cli.edge import CommandGroup, load_tensorflow
from balancegan.cli.evaluate_command import evaluate
from balancegan.cli.generate_command import generate
from balancegan.cli.inspect_command import inspect
from balancegan.cli.options import (
    GENERAL_OPTIONS,
    NETWORK_SETTINGS,
    OUTPUT_PATH,
    PATH,
    READING,
    READING_SETTINGS,
    option,
    options,
    settings,
    take,
)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="balancegan")
def main() -> None:
    """Add images to the rare classes of an image data set, and measure the effect.

    \b
    balancegan inspect data.npz
    balancegan balance data.npz --out balanced.npz
    balancegan evaluate data.npz --report report.html

    \b
    Shell completion for bash (zsh and fish alike):
    eval "$(_BALANCEGAN_COMPLETE=bash_source balancegan)"
    """  # noqa: D301


main.add_command(balance)
main.add_command(evaluate)
main.add_command(generate)
main.add_command(inspect)


@main.command(
    cls=Command,
    examples=(
        "balancegan train data.npz --model bags.balancegan",
        "balancegan train photos/ -m photos.balancegan --size 64 --max-minutes 30",
        "balancegan train data.npz -m bags.balancegan --resume",
    ),
)
@click.argument("data", type=PATH)
@option(
    "-m",
    "--model",
    heading=OUTPUT,
    type=OUTPUT_PATH,
    required=True,
    help="Directory to save the model in.",
)
@options("overwrite", "log-dir")
@settings("tensorboard")
@options("images-key", "labels-key", "attributes", "size", "on-error")
@settings(*READING_SETTINGS)
@options("preset", "steps", "max-minutes", "random-state", "resume")
@option(
    "--strategy",
    heading=TRAINING,
    type=click.Choice(["auto", "multi-worker"]),
    default="auto",
    show_default=True,
    help="Devices: auto uses the GPUs of this machine; multi-worker the processes in "
    "the environment variable TF_CONFIG, each started with this same command.",
)
@settings(*NETWORK_SETTINGS[1:])
@options(*GENERAL_OPTIONS)
def train(
    data: Path,
    model: Path,
    attributes: tuple[str, ...],
    resume: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a GAN on DATA and save it, for balance and generate.

    Ctrl-C saves the best state so far.
    """
    from balancegan.cli.display import Display, echo_json
    from balancegan.cli.tasks import choose_largest_side
    from balancegan.cli.training import checkpointing, find_checkpoint, train_file
    from balancegan.gan.devices import MULTI_WORKER, writes_results
    from balancegan.phases import describe_times, recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())
    display = Display(quiet=quiet)
    if given["log_dir"] is not None:
        check_apart(Path(given["log_dir"]), data, [model])
    is_first = writes_results(given["strategy"])
    resumes = is_first and find_checkpoint(
        model, display.say, resume=resume, overwrite=overwrite
    )

    # Read the images
    value_range = given["value_range"]
    reading = take(given, READING)
    reading["largest_side"] = choose_largest_side(given, quiet=quiet)
    with show_progress("Reading", visible=not quiet, says_end=True):
        labelled, _ = read_data(data, value_range, **reading)
    given |= labelled.format_settings(value_range)
    given["verbose"] = int(not quiet)
    display.say_notes(labelled.notes)
    labelled = labelled.with_attributes(attributes)

    # Train; the first of several workers saves the model
    load_tensorflow(quiet=quiet, joins_workers=given["strategy"] == MULTI_WORKER)
    from balancegan.gan.saving import check_destination

    if not is_first:
        train_file(labelled, given, None, overwrite=False, checkpoints=None)
        display.say("trained; the first of the workers saves the model")
        return
    check_new(model, overwrite=True, data=data, is_folder=True)
    overwrite |= resumes
    check_destination(model, overwrite=overwrite)
    with checkpointing(model, resume=resume) as checkpoints:
        facts = train_file(
            labelled, given, model, overwrite=overwrite, checkpoints=checkpoints
        )
    display.say(
        f"{model}: {facts['steps']} steps in {facts['training_seconds']:.0f} s, the "
        f"state of step {facts['kept_step']} is kept, seed {facts['seed']}"
    )
    display.say(describe_times(times.read()))
    if as_json:
        facts = {"data": str(data), "model": str(model), **facts}
        echo_json(facts, times, notes=labelled.notes)


@main.command(
    cls=Command,
    examples=(
        "balancegan convert photos/ --out photos.npz --size 64",
        "balancegan convert mnist.npz -o mnist/",
        "balancegan convert cells.csv -o cells.parquet --on-error skip",
    ),
)
@click.argument("data", type=PATH)
@options("out", required=True)
@options("overwrite", "images-key", "labels-key", "size", "on-error")
@settings(*READING_SETTINGS)
@options(*GENERAL_OPTIONS)
def convert(
    data: Path,
    out: Path,
    value_range: tuple[float, float] | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **reading: Any,
) -> None:
    """Write DATA in another format: images, labels, parts and columns."""
    from balancegan.cli.display import Display, echo_json
    from balancegan.cli.tasks import describe_format
    from balancegan.data.filewriting import note_pixels
    from balancegan.data.outputs import IMAGE_FILES, check_output, output_format
    from balancegan.data.writing import check_writable, write_images
    from balancegan.phases import recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())
    check_output(out, data, overwrite=overwrite, with_card=True)
    with show_progress("Reading", visible=not quiet, says_end=True):
        labelled, image_format = read_data(
            data, value_range, may_be_dim=True, **reading
        )
    display, notes = Display(quiet=quiet), list(labelled.notes)
    if output_format(out) in IMAGE_FILES:
        notes += note_pixels(image_format)
    display.say_notes(notes)
    check_writable(out, labelled, image_format)
    with show_progress("Writing", visible=not quiet):
        write_images(out, labelled, image_format=image_format)
    counts = {name: len(part.labels) for name, part in labelled.parts.items()}
    numbers = ", ".join(f"{n} {name}" for name, n in counts.items())
    display.say(f"wrote {out}: {numbers} images, {describe_format(image_format)}")
    if as_json:
        facts = {"data": str(data), "out": str(out), "images": counts}
        echo_json(facts, times, notes=notes)


@main.command(
    cls=Command,
    examples=(
        "balancegan demo",
        "balancegan demo --out digits --max-minutes 2",
        "balancegan demo --steps 500 --random-state 0 --overwrite",
    ),
)
@options("out", default=Path("balancegan-demo"), show_default=True, help="Folder.")
@options("overwrite", "steps", "max-minutes", "random-state", "resume")
@settings(*NETWORK_SETTINGS)
@options(*GENERAL_OPTIONS)
def demo(
    out: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Inspect and balance scikit-learn's handwritten digits, made imbalanced.

    Takes a few minutes and needs no download.
    """
    from balancegan.data.demo import save_demo_digits

    ctx = click.get_current_context()
    check_new(out, overwrite=True, is_folder=True)
    source = out / "digits-imbalanced.npz"
    if out.is_dir():
        check_new(source, overwrite=overwrite or resume)
    out.mkdir(exist_ok=True)
    save_demo_digits(source)
    ctx.invoke(inspect, data=source, quiet=quiet)
    ctx.invoke(
        balance,
        data=source,
        out=out / "digits-balanced.npz",
        resume=resume,
        overwrite=overwrite,
        as_json=as_json,
        quiet=quiet,
        **given,
    )
