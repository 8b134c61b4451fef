"""Where commands write: never in the place of what is read, or of another output."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from balancegan.cli.edge import InputRefused
from balancegan.files import check_folder, check_kind

if TYPE_CHECKING:
    from balancegan.data.labelled import LabelledImages

PICTURE = ".png"
PAGE = ".html"


def check_new(
    path: Path,
    *,
    overwrite: bool,
    data: Path | None = None,
    others: Iterable[Path] = (),
    is_folder: bool = False,
) -> None:
    """Refuse a file that cannot be written, or would take the place of another.

    Parameters
    ----------
    path : Path
        The file.
    overwrite : bool
        Whether one that is there may be replaced.
    data : Path or None, default=None
        What is read, which is left as it is. None: nothing.
    others : iterable of Path, default=()
        What else is written.
    is_folder : bool, default=False
        Whether it is a folder, not a file, that is written.
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


def check_apart(path: Path, data: Path | None, others: Iterable[Path] = ()) -> None:
    """Refuse what is, or lies within, the input or another output.

    Parameters
    ----------
    path : Path
        A file, or a folder that is added to: a log, a cache.
    data : Path or None
        What is read. None: nothing.
    others : iterable of Path, default=()
        What else is written, each of which appears as a whole.
    """
    place = path.resolve()
    if data is not None and data.resolve() in (place, *place.parents):
        raise InputRefused(
            f"{path} is the input, or within it, which is left as it is. Choose "
            "another name."
        )
    for other in others:
        if other.resolve() == place:
            raise InputRefused(f"{path} is named twice for what is written.")
        if other.resolve() in place.parents:
            raise InputRefused(_within(path, other))


def check_picture(
    picture: Path, data: Path, others: Iterable[Path] = (), *, overwrite: bool
) -> None:
    """Refuse a picture that cannot be written."""
    check_new(picture, overwrite=overwrite, data=data, others=others)
    if picture.suffix.lower() != PICTURE:
        raise InputRefused(f"A picture is a {PICTURE} file. Received: {picture}.")


def check_page(page: Path, data: Path, *, overwrite: bool) -> None:
    """Refuse a report of an inspection that cannot be written."""
    check_new(page, overwrite=overwrite, data=data)
    if page.suffix.lower() != PAGE:
        raise InputRefused(f"A report ends in {PAGE}. Received: {page}.")


def refuse_sources(labelled: "LabelledImages", outputs: Iterable[Path | None]) -> None:
    """Refuse outputs that are among the files that were read."""
    from balancegan.data.arrayfiles import array_files

    there = [path for path in outputs if path is not None and path.exists()]
    if not there:
        return
    files = {file for part in labelled.parts.values() for file in part.files or ()}
    if labelled.path.is_file():
        files.update(array_files(labelled.path))
    read = {file.resolve() for file in files}
    for path in there:
        if path.resolve() in read:
            raise InputRefused(
                f"{path} is among the files of {labelled.path}, which are left as they "
                "are. Choose another name."
            )


def _within(inner: Path, outer: Path) -> str:
    return (
        f"{inner} lies within {outer}, which is written as a whole. Choose a place of "
        "its own."
    )
