"""Training on files and keeping the model."""

import faulthandler
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from balancegan.cli.tasks import make_augmenter
from balancegan.data.labelled import LabelledImages
from balancegan.gan.devices import MULTI_WORKER, Distribution, read_task
from balancegan.progress import say_line, show_progress
from balancegan.samplers.augmenter import ConditionalGANAugmenter
from balancegan.samplers.training import TrainingOptions

if TYPE_CHECKING:
    from balancegan.gan.distribution import WorkerGroup

CONNECT_SECONDS = 600.0  # for the other workers to come, before the first step


def train_file(
    labelled: LabelledImages,
    settings: Mapping[str, Any],
    model: Path | None,
    *,
    overwrite: bool,
    checkpoints: Path | None,
) -> dict[str, Any]:
    """Train on a file's images and save the model; return how it was trained.

    Training is written down in the folder `checkpoints`, and gone on with from there.
    Where several processes train together, both are the chief's; None for the others.

    Raises
    ------
    KeyboardInterrupt
        If training is interrupted. Where it had begun, the best state so far is saved.
    """
    # Train a GAN whatever the classes are: what it will be asked for is not known
    augmenter = make_augmenter(settings, gan_share=1.0)
    share = ConditionalGANAugmenter().gan_share
    show = bool(settings["verbose"])
    workers = connect(TrainingOptions.of(augmenter.preset).strategy)
    try:
        augmenter.fit(labelled.images, labelled.targets, checkpoint_dir=checkpoints)
    except KeyboardInterrupt as error:
        if hasattr(augmenter, "model_") and model is not None:
            name_classes(augmenter.set_params(gan_share=share), labelled)
            save_trained(augmenter, model, overwrite=overwrite)
            error.add_note(f"{model} holds the best state so far.")
        raise
    name_classes(augmenter.set_params(gan_share=share), labelled)
    if model is not None:
        with show_progress("Writing", visible=show):
            save_trained(augmenter, model, overwrite=overwrite)
    workers.wait()
    return training_facts(augmenter)


def connect(strategy: Distribution) -> "WorkerGroup":
    """Connect the workers; end the process if the others do not come."""
    from balancegan.gan.distribution import connect_workers  # imports TensorFlow

    if strategy != MULTI_WORKER:
        return connect_workers(strategy)
    say_line(f"{read_task()}: waiting for the others, at most {CONNECT_SECONDS:.0f} s")
    # TensorFlow waits without end and blocks Python's threads meanwhile
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(CONNECT_SECONDS, exit=True, file=nowhere)
        try:
            return connect_workers(strategy)
        finally:
            faulthandler.cancel_dump_traceback_later()


def save_trained(
    augmenter: ConditionalGANAugmenter, model: Path, *, overwrite: bool
) -> None:
    """Save what was trained; where there is no room for it, then elsewhere.

    Raises
    ------
    OSError
        If it could not be saved where it should be; says where it is.
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
    """Let a trained model know what people call its classes, and the files' range."""
    labels = augmenter.model_.attributes.values[0].tolist()
    names = [labelled.name(label) for label in labels]
    augmenter.model_ = replace(
        augmenter.model_,
        class_names=names,
        file_range=labelled.file_range,
        has_wide_grey=labelled.has_wide_grey,
    )


def training_facts(augmenter: ConditionalGANAugmenter) -> dict[str, Any]:
    """Return how a model was trained."""
    model = augmenter.model_
    return {
        "steps": model.n_steps,
        "kept_step": model.kept_step,
        "training_seconds": round(model.seconds, 1),
        "seed": model.seed,
        "preset": asdict(model.preset),
    }
