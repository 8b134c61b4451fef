"""Writing so that nothing half-done is ever found: whole, or not at all.

A file or a folder is made under another name beside its place and renamed once it is
complete. What interrupts the making leaves what was there before.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def check_folder(path: Path) -> str | None:
    """Return why no file can be made beside `path`, or None if one can.

    Examples
    --------
    >>> check_folder(Path("/nowhere/data.npz"))
    'there is no folder /nowhere'
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    # Permissions do not tell (of a read-only disk, say): trying does
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"the folder {folder} cannot be written: {error.strerror}"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its place only when the block ends well."""
    handle, partial = tempfile.mkstemp(dir=path.absolute().parent, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial)
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Make a folder that takes the place of `path` only when the block ends well."""
    partial = tempfile.mkdtemp(dir=path.absolute().parent, suffix=".partial")
    try:
        yield Path(partial)
        os.chmod(partial, 0o777 & ~_umask())
        if path.exists():
            shutil.rmtree(path)
        os.rename(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _umask() -> int:
    """Return the process's mask for new files, which can only be read by setting."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
