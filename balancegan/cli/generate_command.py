"""Images of a saved model, at the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from balancegan.cli.edge import OUTPUT, PATH, InputRefused, load_tensorflow
from balancegan.cli.option_types import IntegerType, NumberType, ShardType, ValueType
from balancegan.cli.options import output_options, overwrite_option
from balancegan.cli.places import check_new

if TYPE_CHECKING:
    from balancegan.cli.display import Display

DEFAULT_N = 20
CLASS = ""  # stands for the model's first attribute
FILES = (".npz", ".png", ".parquet", ".tfrecord", ".tar")  # else a folder is written
MOST = 10**12  # images


@click.command()
@click.argument("model", type=PATH)
@click.option("--class", "class_name", help="The class to make.")
@click.option(
    "--attribute",
    "attributes",
    type=ValueType(),
    multiple=True,
    help="The value of another attribute (repeat for more). Those that are not named "
    "are drawn as the training images have them.",
)
@click.option("--n", type=IntegerType(1, MOST), help="How many images.  [default: 20]")
@click.option(
    "--first",
    type=IntegerType(0, MOST),
    help="Number of the first image: image k of a class is always the same.  "
    "[default: 0]",
)
@click.option(
    "--index",
    "indices",
    type=IntegerType(0, MOST),
    multiple=True,
    help="The number of one image (repeat for more), instead of --n and --first.",
)
@click.option(
    "--truncation",
    type=NumberType(0, min_open=True),
    help="Cut off the latents at so many standard deviations: more typical images, "
    "less varied.",
)
@click.option(
    "--again",
    type=PATH,
    help="Make the image of this synthetic PNG file again, from what the file says of "
    "itself.",
)
@click.option(
    "--shard",
    type=ShardType(),
    metavar="I/N",
    help="Make share I of N of these images, I from 1: all shares together are what is "
    "made without.",
)
@click.option(
    "--out",
    type=OUTPUT,
    required=True,
    help="A .npz file, a .png file (one image, or all in one picture), records in a "
    ".parquet, .tfrecord or .tar file (WebDataset), or a folder of PNGs.",
)
@overwrite_option
@output_options
def generate(
    model: Path,
    class_name: str | None,
    attributes: tuple[tuple[str, str], ...],
    n: int | None,
    first: int | None,
    indices: tuple[int, ...],
    truncation: float | None,
    again: Path | None,
    shard: tuple[int, int] | None,
    out: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make images of one class, or combination of attributes, with a saved MODEL."""
    from balancegan.cli.display import Display
    from balancegan.cli.facts import echo_json
    from balancegan.phases import recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())
    wanted = dict(attributes)
    if len(wanted) < len(attributes):
        raise InputRefused("An attribute has one value. Received: --attribute twice.")
    if class_name is not None:
        wanted[CLASS] = class_name
    numbers = _numbers(n, first, indices)
    if again is not None:
        said = (wanted or None, numbers, shard, truncation)
        _check_again(out, alone=all(what is None for what in said))
    elif not wanted:
        raise click.UsageError("Missing option '--class' (or --attribute, --again).")
    is_folder = out.suffix not in FILES
    if is_folder and out.suffix and not out.is_dir():
        raise InputRefused(
            f"An output is a {', '.join(FILES)} file, or a folder, whose name has no "
            f"suffix. Received: {out}."
        )
    check_new(out, overwrite=overwrite, data=model, is_folder=is_folder)
    load_tensorflow(quiet=quiet)
    from balancegan.cli.generating import generate_again, generate_files

    with show_progress("Generating", visible=not quiet):
        if again is not None:
            facts = generate_again(model, again, out)
        else:
            numbers = numbers or range(DEFAULT_N)
            facts = generate_files(
                model, wanted, numbers, out, shard or (1, 1), truncation=truncation
            )
    _say(Display(quiet=quiet), out, facts)
    if as_json:
        echo_json({"model": str(model), **facts}, times)


def _say(display: "Display", out: Path, facts: Mapping[str, Any]) -> None:
    """Say what was made."""
    from balancegan.balance import class_text
    from balancegan.data.depth import Scale
    from balancegan.data.links import counted

    n_images = counted(len(facts["numbers"]), "image")
    display.say(f"{out}: {n_images} of {class_text(facts['name'])}")
    if facts.get("file_range"):
        ends = Scale(*facts["file_range"]).ends()
        display.say(
            f"0 to 255 in these images are {ends} in the files that the model learned "
            "from"
        )
    if facts.get("kept"):
        others = counted(facts["kept"], "other file")
        display.say(f"{out} still has what was in it before: {others}")
    if facts.get("training_images") == 0:
        display.say(
            "warning: no training image has this together; look at the images, which "
            "are made from what is known of each value"
        )


def _numbers(
    n: int | None, first: int | None, indices: tuple[int, ...]
) -> Sequence[int] | None:
    """Return the numbers of the images asked for, None where nothing is said."""
    if indices and (n is not None or first is not None):
        raise InputRefused("Give --index, or --n and --first. Received: both.")
    if len(set(indices)) < len(indices):
        raise InputRefused("An image is made once. Received: one --index twice.")
    if indices:
        return indices
    if n is None and first is None:
        return None
    start = first or 0
    return range(start, start + (n or DEFAULT_N))


def _check_again(out: Path, *, alone: bool) -> None:
    if not alone:
        raise InputRefused(
            "--again says which image it is. Leave out --class, --attribute, --n, "
            "--first, --index, --shard and --truncation, or --again."
        )
    if out.suffix != ".png":
        raise InputRefused(
            f"--again makes one image, a .png file. Received: --out {out}."
        )
