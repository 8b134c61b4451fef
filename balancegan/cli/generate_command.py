"""Images of a saved model, at the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from balancegan.cli.checks import check_new
from balancegan.cli.command import IMAGES, Command, InputRefused
from balancegan.cli.edge import load_tensorflow
from balancegan.cli.option_types import SHARD, VALUE, IntegerType
from balancegan.cli.options import GENERAL_OPTIONS, PATH, option, options

if TYPE_CHECKING:
    from balancegan.cli.display import Display

DEFAULT_N = 20
CLASS = ""  # stands for the model's first attribute
FILES = (".npz", ".png", ".parquet", ".tfrecord", ".tar")  # else a folder is written
MOST = 10**12  # images


@click.command(
    cls=Command,
    examples=(
        "balancegan generate bags.balancegan --class bag -n 20 --out bags/",
        "balancegan generate bags.balancegan --class bag --index 7 -o bag.png",
        "balancegan generate cells.balancegan --again synthetic_mast_07.png -o a.png",
    ),
)
@click.argument("model", type=PATH)
@options(
    "out",
    required=True,
    help="A .npz file, a .png file (one image, or all in one picture), records in a "
    ".parquet, .tfrecord or .tar file (WebDataset), or a folder of PNG files.",
)
@options("overwrite")
@option("--class", "class_name", heading=IMAGES, help="Class of the images.")
@option(
    "--attribute",
    "attributes",
    heading=IMAGES,
    type=VALUE,
    multiple=True,
    help="Value of another attribute (repeat for more). Attributes that are not named "
    "are drawn as often as in the training images.",
)
@option(
    "-n",
    "--n",
    heading=IMAGES,
    type=IntegerType(1, MOST),
    help="Number of images.  [default: 20]",
)
@option(
    "--first",
    heading=IMAGES,
    type=IntegerType(0, MOST),
    help="Number of the first image; image k of a class is always the same.  "
    "[default: 0]",
)
@option(
    "--index",
    "indices",
    heading=IMAGES,
    type=IntegerType(0, MOST),
    multiple=True,
    help="Number of one image (repeat for more), instead of --n and --first.",
)
@options("truncation")
@option(
    "--again",
    heading=IMAGES,
    type=PATH,
    help="Generate the image of this synthetic PNG file again, from its provenance "
    "metadata.",
)
@option(
    "--shard",
    heading=IMAGES,
    type=SHARD,
    metavar="I/N",
    help="Generate only share I of N of these images, such as 3/16.",
)
@options(*GENERAL_OPTIONS)
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
    """Generate images of one class or combination of attributes with a saved MODEL."""
    from balancegan.cli.display import Display, echo_json
    from balancegan.phases import recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())
    wanted = dict(attributes)
    if len(wanted) < len(attributes):
        raise InputRefused(
            "An attribute has one value. Received: --attribute twice for one of them."
        )
    if class_name is not None:
        wanted[CLASS] = class_name
    numbers = _numbers(n, first, indices)
    if again is not None:
        others = (wanted or None, numbers, shard, truncation)
        _check_again(out, alone=all(other is None for other in others))
    elif not wanted:
        raise click.UsageError("Missing option '--class' (or --attribute, --again).")
    is_folder = out.suffix not in FILES
    if is_folder and out.suffix and not out.is_dir():
        raise InputRefused(
            f"Expected a {', '.join(FILES)} file, or a folder, whose name has no "
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
    """Say what was generated."""
    from balancegan.balance import class_text
    from balancegan.data.depth import Scale
    from balancegan.data.links import counted

    n_images = counted(len(facts["numbers"]), "image")
    display.say(f"{out}: {n_images} of {class_text(facts['name'])}")
    if facts.get("file_range"):
        ends = Scale(*facts["file_range"]).ends()
        display.say(
            f"0 to 255 in these images are {ends} in the files that the model was "
            "trained on"
        )
    if facts.get("kept"):
        others = counted(facts["kept"], "other file")
        display.say(f"{out} also holds {others} from before")
    if facts.get("training_images") == 0:
        display.say(
            "warning: no training image has this combination of values; look at the "
            "images before you use them"
        )


def _numbers(
    n: int | None, first: int | None, indices: tuple[int, ...]
) -> Sequence[int] | None:
    """Return the numbers of the images, None if no option names any."""
    if indices and (n is not None or first is not None):
        raise InputRefused("Give --index, or --n and --first. Received: both.")
    if len(set(indices)) < len(indices):
        raise InputRefused("Every --index must be different. Received: one twice.")
    if indices:
        return indices
    if n is None and first is None:
        return None
    start = first or 0
    return range(start, start + (n or DEFAULT_N))


def _check_again(out: Path, *, alone: bool) -> None:
    if not alone:
        raise InputRefused(
            "--again alone determines the image. Leave out --class, --attribute, --n, "
            "--first, --index, --shard and --truncation, or --again."
        )
    if out.suffix != ".png":
        raise InputRefused(f"--again generates one .png file. Received: --out {out}.")
