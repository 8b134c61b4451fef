"""What commands read and where they write, checked before any work.

Nothing is written in the place of what is read, or of another output.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from balancegan.cli.command import InputRefused, Option, Setting
from balancegan.files import check_folder, check_kind

if TYPE_CHECKING:
    from balancegan.data.holdout import Holdout
    from balancegan.data.labelled import LabelledImages
    from balancegan.images import ImageFormat

GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)


def read_data(
    path: Path,
    value_range: tuple[float, float] | None,
    *,
    may_be_dim: bool = False,
    holdout: "Holdout | None" = None,
    **reading: Any,
) -> "tuple[LabelledImages, ImageFormat]":
    """Return labelled images, and the format of the training part.

    Parameters
    ----------
    path, value_range, **reading
        See :func:`balancegan.data.reading.read_images`.
    may_be_dim : bool, default=False
        See :func:`balancegan.images.find_format`.
    holdout : Holdout or None, default=None
        The test part to set aside. None: none.
    """
    from balancegan.data.reading import read_images
    from balancegan.images import find_format

    labelled = read_images(path, value_range=value_range, **reading)
    if holdout is not None:
        from balancegan.data.holdout import hold_out

        labelled = hold_out(labelled, holdout, value_range)
    value_range = labelled.pixel_range(value_range)
    return labelled, find_format(
        labelled.images, labelled.image_shape, value_range, may_be_dim=may_be_dim
    )


def refuse_ineffective_settings() -> None:
    """Refuse settings that have no effect with others of the command."""
    given = click.get_current_context().params
    if given["gan_share"] == 1:
        refuse_given(
            ("moves",),
            "With gan-share 1 no image is copied, so these options have no effect",
            "choose a smaller gan-share",
        )
    if not given["reject"]:
        refuse_given(
            ("best_of",),
            "With reject = false no image is judged, so these options have no effect",
            "leave out reject",
        )


def refuse_given(names: Sequence[str], reason: str, alternative: str) -> None:
    """Refuse parameters if the user has given them."""
    ctx = click.get_current_context()
    given = [
        param.key if isinstance(param, Setting) else f"--{param.key}"
        for param in ctx.command.params
        if isinstance(param, Option)
        and param.name in names
        and ctx.get_parameter_source(str(param.name)) in GIVEN
    ]
    if given:
        said = ", ".join(given)
        raise InputRefused(f"{reason}: {said}. Leave them out, or {alternative}.")


def check_new(
    path: Path,
    *,
    overwrite: bool,
    data: Path | None = None,
    others: Iterable[Path] = (),
    is_folder: bool = False,
    suffix: str = "",
) -> None:
    """Refuse a file that cannot be written, or would replace another.

    Parameters
    ----------
    path : Path
        The file.
    overwrite : bool
        Whether an existing one may be replaced.
    data : Path or None, default=None
        The input, which stays unchanged. None: nothing is read.
    others : iterable of Path, default=()
        What else is written.
    is_folder : bool, default=False
        Whether a folder is written, not a file.
    suffix : str, default=""
        The suffix that the name must have. "": any.
    """
    reason = check_folder(path)
    if reason is not None:
        raise InputRefused(f"{path} cannot be written: {reason}.")
    check_apart(path, data, others)
    place = path.resolve()
    for other in others:
        if place in other.resolve().parents:
            raise InputRefused(_within(other, path))
    reason = check_kind(path, is_folder=is_folder)
    if reason is not None:
        raise InputRefused(reason)
    if path.exists() and not overwrite:
        raise InputRefused(
            f"{path} exists already. Allow it to be overwritten (--overwrite), or "
            "choose another name."
        )
    if not path.name.lower().endswith(suffix):
        raise InputRefused(f"Expected the name of a {suffix} file. Received: {path}.")


def check_apart(path: Path, data: Path | None, others: Iterable[Path] = ()) -> None:
    """Refuse a path that is, or lies within, the input or another output.

    Parameters
    ----------
    path : Path
        A file, or a folder that is added to: a log, a cache.
    data : Path or None
        The input. None: nothing is read.
    others : iterable of Path, default=()
        What else is written, each as a whole.
    """
    place = path.resolve()
    if data is not None and data.resolve() in (place, *place.parents):
        raise InputRefused(
            f"{path} is the input, or within it, which stays unchanged. Choose another "
            "name."
        )
    for other in others:
        if other.resolve() == place:
            raise InputRefused(f"{path} is the name of two outputs.")
        if other.resolve() in place.parents:
            raise InputRefused(_within(path, other))


def refuse_sources(labelled: "LabelledImages", outputs: Iterable[Path | None]) -> None:
    """Refuse outputs that are among the files that were read."""
    from balancegan.data.arrayfiles import array_files

    existing = [path for path in outputs if path is not None and path.exists()]
    if not existing:
        return
    files = {file for part in labelled.parts.values() for file in part.files or ()}
    if labelled.path.is_file():
        files.update(array_files(labelled.path))
    read = {file.resolve() for file in files}
    for path in existing:
        if path.resolve() in read:
            raise InputRefused(
                f"{path} is among the files of {labelled.path}, which stay unchanged. "
                "Choose another name."
            )


def _within(inner: Path, outer: Path) -> str:
    return (
        f"{inner} lies within {outer}, which is written as a whole. Choose another "
        "place."
    )
