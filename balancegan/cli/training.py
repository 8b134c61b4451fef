"""Train on files with checkpoints next to the output, and save the model."""

import faulthandler
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from balancegan.cli.tasks import make_augmenter
from balancegan.data.labelled import LabelledImages
from balancegan.errors import SavedModelError
from balancegan.gan.checkpoint import CheckpointFolder, DeferredSignals
from balancegan.gan.devices import MULTI_WORKER, Distribution, read_task
from balancegan.progress import say_line, show_progress
from balancegan.samplers.augmenter import ConditionalGANAugmenter
from balancegan.samplers.training import TrainingOptions

if TYPE_CHECKING:
    from balancegan.gan.distribution import WorkerGroup

CONNECT_SECONDS = 600.0  # to wait for the other workers


def checkpoints_of(path: Path) -> Path:
    """Return the folder of the checkpoints for a model or an output.

    Examples
    --------
    >>> checkpoints_of(Path("out/balanced.npz")).as_posix()
    'out/balanced.npz.checkpoints'
    """
    return path.with_name(f"{path.name}.checkpoints")


def find_checkpoint(
    path: Path, say: Callable[[str], None], *, resume: bool, overwrite: bool
) -> bool:
    """Return whether there is a checkpoint to resume from.

    Parameters
    ----------
    path : Path
        The model or output that training is for.
    say : callable
        Receives a message about what is resumed.
    resume : bool
        Whether the user wants to resume.
    overwrite : bool
        Whether checkpoints that are not resumed may be deleted.

    Raises
    ------
    SavedModelError
        If there is a checkpoint that may be neither resumed nor deleted.
    """
    folder = checkpoints_of(path)
    steps = CheckpointFolder(folder).steps if folder.is_dir() else []
    if resume:
        said = f"resuming from step {steps[0]}" if steps else "no checkpoint to resume"
        say(said)
    elif steps and not overwrite:
        raise SavedModelError(
            f"An interrupted training for {path} has a checkpoint of step {steps[0]} "
            f"in {folder}. Resume it (--resume), or start again (--overwrite)."
        )
    return resume and bool(steps)


@contextmanager
def checkpointing(path: Path, *, resume: bool) -> Iterator[Path]:
    """Provide the folder for checkpoints; it is removed when all is done.

    Unless they are resumed, earlier checkpoints are deleted once there is a new one.
    """
    folder = checkpoints_of(path)
    before = folder.with_name(f"{folder.name}.before")
    if folder.is_dir() and not resume:
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
                f"A checkpoint of step {steps[0]} is kept: the same command with "
                "--resume continues from there."
            )
        _remove(before)
        raise
    _remove(folder)
    _remove(before)


def _remove(folder: Path) -> None:
    if folder.is_dir():
        CheckpointFolder(folder).remove()


def train_file(
    labelled: LabelledImages,
    settings: Mapping[str, Any],
    model: Path | None,
    *,
    overwrite: bool,
    checkpoints: Path | None,
) -> dict[str, Any]:
    """Train on a file's images and save the model; return how it was trained.

    Parameters
    ----------
    labelled, settings
        The images, and the arguments of :class:`ConditionalGANAugmenter`.
    model, checkpoints : Path or None
        Where to save the model, and the folder to resume from. None: this is not the
        first of the processes that train together.
    overwrite : bool
        Whether an earlier model may be replaced.

    Raises
    ------
    KeyboardInterrupt
        If training is interrupted; the best state so far is then saved.
    """
    # Train a GAN whatever the classes are: what it will generate is not known yet
    augmenter = make_augmenter(settings, gan_share=1.0)
    share = ConditionalGANAugmenter().gan_share
    workers = connect(TrainingOptions.of(augmenter.preset).strategy)
    try:
        augmenter.fit(labelled.images, labelled.targets, checkpoint_dir=checkpoints)
    except KeyboardInterrupt as error:
        if hasattr(augmenter, "model_") and model is not None:
            name_classes(augmenter.set_params(gan_share=share), labelled)
            _save(augmenter, model, overwrite=overwrite)
            error.add_note(f"{model} holds the best state so far.")
        raise
    name_classes(augmenter.set_params(gan_share=share), labelled)
    if model is not None:
        with show_progress("Writing", visible=bool(settings["verbose"])):
            _save(augmenter, model, overwrite=overwrite)
    workers.wait()
    return describe_training(augmenter)


def connect(strategy: Distribution) -> "WorkerGroup":
    """Connect the workers; end the process if some do not come."""
    from balancegan.gan.distribution import connect_workers  # imports TensorFlow

    if strategy != MULTI_WORKER:
        return connect_workers(strategy)
    say_line(
        f"{read_task()}: waiting for the other workers, up to {CONNECT_SECONDS:.0f} s"
    )
    # TensorFlow waits without end and blocks Python's threads meanwhile
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(CONNECT_SECONDS, exit=True, file=nowhere)
        try:
            return connect_workers(strategy)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _save(augmenter: ConditionalGANAugmenter, model: Path, *, overwrite: bool) -> None:
    """Save a model; without room for it, in a temporary folder.

    Raises
    ------
    OSError
        If it could not be saved at its place; says where it is instead.
    """
    try:
        augmenter.save(model, overwrite=overwrite)
    except OSError as error:
        rescued = Path(tempfile.mkdtemp(prefix="balancegan-")) / model.name
        try:
            augmenter.save(rescued)
        except OSError:
            rescued.parent.rmdir()
            raise error from None
        raise OSError(f"{error} It is saved as {rescued} instead.") from error


def name_classes(augmenter: ConditionalGANAugmenter, labelled: LabelledImages) -> None:
    """Store the names of classes and the range of the files in a trained model."""
    labels = augmenter.model_.attributes.values[0].tolist()
    augmenter.model_ = replace(
        augmenter.model_,
        class_names=[labelled.name(label) for label in labels],
        file_range=labelled.file_range,
        has_wide_grey=labelled.has_wide_grey,
    )


def describe_training(augmenter: ConditionalGANAugmenter) -> dict[str, Any]:
    """Return how a model was trained."""
    model = augmenter.model_
    return {
        "steps": model.n_steps,
        "kept_step": model.kept_step,
        "training_seconds": round(model.seconds, 1),
        "seed": model.seed,
        "preset": asdict(model.preset),
    }
