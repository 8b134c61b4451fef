"""Files and folders that are written whole or not at all, and JSON values.

They are made under another name next to their place and renamed once complete. If
writing is interrupted, what was there before stays.
"""

import glob
import lzma
import math
import os
import platform
import shutil
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

PARTIAL, ASIDE = ".partial", ".aside"  # not whole yet; being replaced
LONGEST_NAME = 100  # bytes of a path's name in that of its partial file
MOST_SYNCED = 100  # files of a folder, one by one
# What numpy and zipfile raise for damaged files, in addition to OSError
READ_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def check_kind(path: Path, *, is_folder: bool) -> str | None:
    """Return why a file, or a folder, cannot replace what is at `path`, or None."""
    if path.is_symlink() and not path.exists():
        return f"{path} is a link to nothing."
    if not path.exists() or (path.is_dir() if is_folder else path.is_file()):
        return None
    wanted, there = ("folder", "file") if is_folder else ("file", "folder or device")
    return f"{path} is to be a {wanted}. It is a {there} now."


def check_folder(path: Path) -> str | None:
    """Return why no file can be created next to `path`, or None if one can.

    Examples
    --------
    >>> check_folder(Path("/nowhere/data.npz"))
    'there is no folder /nowhere'
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    # Try it: permissions do not reveal a read-only disk
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"the folder {folder} cannot be written: {error.strerror}"


def check_room(path: Path, n_bytes: int) -> str | None:
    """Return why `n_bytes` cannot be written next to `path`, or None if they can.

    Examples
    --------
    >>> check_room(Path("data.npz"), 0) is None
    True
    """
    folder = path.absolute().parent
    free = shutil.disk_usage(folder).free
    if n_bytes <= free:
        return None
    return f"it needs about {n_bytes:,} bytes, and {free:,} are free in {folder}"


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Let an OSError name the output that cannot be written, and the free space.

    Examples
    --------
    >>> with explaining(Path("data.npz")):
    ...     raise OSError(5, "Input/output error")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    OSError: data.npz cannot be written: Input/output error; ... bytes are free in ...
    """
    try:
        yield
    except OSError as error:
        folder = path.absolute().parent
        raise OSError(
            f"{path} cannot be written: {error.strerror or error}; "
            f"{shutil.disk_usage(folder).free:,} bytes are free in {folder}."
        ) from error


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` only if the block ends without an error."""
    clear_leftovers(path)
    handle, partial = tempfile.mkstemp(**_beside(path, PARTIAL))
    os.close(handle)
    try:
        with open(partial, "wb") as file:  # has a name, unlike the handle
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
        _sync(path.absolute().parent)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial)
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Create a folder that replaces `path` only if the block ends without an error."""
    clear_leftovers(path)
    partial = tempfile.mkdtemp(**_beside(path, PARTIAL))
    try:
        yield Path(partial)
        os.chmod(partial, 0o777 & ~_umask())
        _sync_files(Path(partial))
        if path.exists():
            _replace_folder(path, partial)
        else:
            os.rename(partial, path)
        _sync(path.absolute().parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def clear_leftovers(path: Path) -> None:
    """Remove what killed processes had begun to write in place of `path`.

    If a process was killed while a new folder replaced an old one, the old one is put
    back. What has not been replaced is never removed.
    """
    beginning = glob.escape(_beginning(path))
    for entry in path.absolute().parent.glob(f"{beginning}*"):
        if not _is_left_over(entry.name.removeprefix(_beginning(path))):
            continue
        with suppress(OSError):  # cleared by another process, or another user's
            if entry.suffix == ASIDE:
                _put_back(entry, path)
            elif entry.suffix == PARTIAL and entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.suffix == PARTIAL:
                entry.unlink()


def _replace_folder(path: Path, partial: str) -> None:
    """Replace a folder; remove the old one only after the new one has its name."""
    aside = Path(tempfile.mkdtemp(**_beside(path, ASIDE)))
    try:
        os.rename(path, aside / path.name)
        os.rename(partial, path)
    except BaseException as error:
        if os.path.exists(partial) and not _put_back(aside, path):
            raise OSError(
                f"{path} was created by another program while it was being replaced. "
                f"The old one is kept in {aside / path.name}"
            ) from error
        raise
    # From here on any process may remove the old one
    replaced = aside.with_suffix(PARTIAL)
    with suppress(OSError):
        os.rename(aside, replaced)
    shutil.rmtree(replaced, ignore_errors=True)


def _put_back(aside: Path, path: Path) -> bool:
    """Return whether a folder that was moved aside, if any, has its name again."""
    before = aside / path.name
    if os.path.lexists(before):
        try:
            os.rename(before, path)
        except OSError:
            return False
    aside.rmdir()
    return True


def _beginning(path: Path) -> str:
    name = os.fsencode(path.name)[:LONGEST_NAME].decode(errors="ignore")
    return f".{name}."


def _beside(path: Path, suffix: str) -> dict[str, Any]:
    """Return how partial files are named: after `path` and this process."""
    return {
        "dir": path.absolute().parent,
        "prefix": f"{_beginning(path)}{os.getpid()}@{_machine()}.",
        "suffix": suffix,
    }


def _machine() -> str:
    """Return where process numbers are valid: the machine and the container.

    Containers on one machine may share its name and a folder, and each counts its
    processes from 1.
    """
    try:
        processes = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not on Linux
        return platform.node()
    return f"{platform.node()}-{processes}"


def _is_left_over(name: str) -> bool:
    """Return whether the process named in a partial file's name has ended."""
    process, _, rest = name.partition("@")
    here = rest.startswith(f"{_machine()}.")
    if os.name != "posix" or not here or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)  # sends nothing
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's
        return False
    return False


def _sync_files(folder: Path) -> None:
    """Write all files of a folder to the disk before it gets its name."""
    files = [entry for entry in folder.rglob("*") if entry.is_file()]
    if len(files) > MOST_SYNCED and hasattr(os, "sync"):
        os.sync()  # of everything, but once
        return
    for file in files:
        _sync(file)


def _sync(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk."""
    if os.name != "posix" and path.is_dir():
        return  # not possible there
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """Return the process's mask for new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def plain_facts(value: Any) -> Any:
    """Return a value as JSON holds it: None for NaN and infinity, plain numbers.

    Examples
    --------
    >>> plain_facts({"loss": float("nan"), "steps": (np.int64(3), 0.5)})
    {'loss': None, 'steps': [3, 0.5]}
    """
    if isinstance(value, dict):
        return {key: plain_facts(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_facts(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
