"""Going on with what was killed: where it is written down, and what says so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from balancegan.errors import SavedModelError
from balancegan.gan.checkpoint import CheckpointFolder, DeferredSignals


def checkpoints_beside(path: Path) -> Path:
    """Return where the training for a model or an output is written down.

    Examples
    --------
    >>> checkpoints_beside(Path("out/balanced.npz")).as_posix()
    'out/balanced.npz.checkpoints'
    """
    return path.with_name(f"{path.name}.checkpoints")


def find_begun(
    path: Path, say: Callable[[str], None], *, resume: bool, anew: bool
) -> bool:
    """Return whether there is a training to go on with.

    Parameters
    ----------
    path : Path
        What it was for.
    say : callable
        Is told which it is.
    resume : bool
        Whether it shall be gone on with.
    anew : bool
        Whether it may be given up, where it shall not.

    Raises
    ------
    SavedModelError
        If there is one that shall neither be gone on with nor given up.
    """
    folder = checkpoints_beside(path)
    steps = CheckpointFolder(folder).steps if folder.is_dir() else []
    if resume:
        say(f"going on from step {steps[0]}" if steps else "nothing to go on with")
    elif steps and not anew:
        raise SavedModelError(
            f"A training for {path} was begun and did not end: {folder} holds its step "
            f"{steps[0]}. Go on with it (--resume), or begin anew (--overwrite)."
        )
    return resume and bool(steps)


@contextmanager
def written_down(path: Path, *, anew: bool) -> Iterator[Path]:
    """Give the folder to write training down in; it is removed when all is done.

    What an earlier training has left there is gone on with, or given up (`anew`): once
    there is a step of the new one.
    """
    folder = checkpoints_beside(path)
    before = folder.with_name(f"{folder.name}.before")
    if anew and folder.is_dir():
        _remove(before)
        folder.rename(before)
    try:
        with DeferredSignals():
            yield folder
    except BaseException as error:
        steps = CheckpointFolder(folder).steps if folder.is_dir() else []
        if not steps:
            _remove(folder)
            if before.is_dir() and not folder.exists():
                before.rename(folder)
            raise
        if isinstance(error, (KeyboardInterrupt, OSError, MemoryError)):
            error.add_note(
                f"Step {steps[0]} is written down: the same command with --resume goes "
                "on from there."
            )
        _remove(before)
        raise
    _remove(folder)
    _remove(before)


def _remove(folder: Path) -> None:
    if folder.is_dir():
        CheckpointFolder(folder).remove()
