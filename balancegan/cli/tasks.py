"""What shall be balanced and what shall be written: decided before any training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balancegan.attributes import ONE_LABEL
from balancegan.balance import (
    VALIDATED,
    Plan,
    Strategy,
    parse_strategy,
    plan_synthesis,
)
from balancegan.cli.classes import BalancedClasses
from balancegan.data.labelled import LabelledImages
from balancegan.data.outputs import IMAGE_FILES, find_format
from balancegan.data.room import check_room
from balancegan.data.writing import check_format
from balancegan.errors import DataError
from balancegan.images import ImageFormat


@dataclass(frozen=True, eq=False)
class Task:
    """What shall be balanced, and how.

    Parameters
    ----------
    labelled : LabelledImages
        What was read.
    classes : BalancedClasses
        Which classes the strategy speaks of.
    strategy : str, float or dict
        The targets.
    plan : dict
        The number of images to make of each class that follows from them; where they
        are validated, at most. If there are none, nothing is trained.
    settings : mapping
        Arguments of :class:`ConditionalGANAugmenter`.
    model : Path or None
        A saved model to use. None: one is trained.
    image_format : ImageFormat
        Of the images: the model's, or as found.
    """

    labelled: LabelledImages
    classes: BalancedClasses
    strategy: Strategy
    plan: Plan
    settings: Mapping[str, Any]
    model: Path | None
    image_format: ImageFormat

    @property
    def is_validated(self) -> bool:
        """Whether the amounts are found out, after training."""
        return self.strategy == VALIDATED


@dataclass(frozen=True)
class Output:
    """What shall be written.

    Parameters
    ----------
    path : Path
        The file or folder.
    format : str or None
        See :func:`balancegan.data.writing.write_images`.
    picture : Path or None
        Where to write real beside synthetic images. None: nowhere.
    save_model : Path or None
        Where to save the model that was trained. None: it is not kept.
    overwrite : bool
        Whether a saved model may be replaced.
    """

    path: Path
    format: str | None
    picture: Path | None
    save_model: Path | None
    overwrite: bool

    @property
    def is_files(self) -> bool:
        """Whether images are written as files of their own."""
        return find_format(self.path, self.format) in IMAGE_FILES


def plan_task(
    labelled: LabelledImages,
    targets: Sequence[str],
    settings: Mapping[str, Any],
    *,
    model: Path | None,
    known: Sequence[str],
    attributes: Sequence[str],
    balance_on: Sequence[str] | None,
    image_format: ImageFormat,
) -> Task:
    """Decide what shall be balanced.

    Parameters
    ----------
    labelled : LabelledImages
        What was read.
    targets : sequence of str
        See :func:`balancegan.balance.parse_strategy`.
    settings : mapping
        Arguments of :class:`ConditionalGANAugmenter`, "max_ratio" among them.
    model : Path or None
        A saved model to use.
    known : sequence of str
        What it can be asked for, the label first; empty without a model.
    attributes : sequence of str
        Columns that the GAN is told beside the label.
    balance_on : sequence of str or None
        What makes the classes. None: the label.
    image_format : ImageFormat
        Of the images.

    Raises
    ------
    DataError
        If columns, classes or targets cannot be used.
    """
    label_name = known[0] if len(known) > 1 else ONE_LABEL
    balance_on = balance_on or ()
    told = labelled.with_attributes([*known[1:], *attributes, *balance_on], label_name)
    classes = BalancedClasses(told, balance_on)
    strategy = parse_strategy(targets, classes.find)
    if strategy == VALIDATED and model is not None:
        raise DataError(
            "Amounts are validated on images that the model has not seen, and a saved "
            f"model has seen them all. Received: --target {VALIDATED} with --model. "
            "Leave out one of them."
        )
    plan = plan_synthesis(
        classes.of_images, strategy, settings["max_ratio"], classes.combinations
    )
    names = list(classes.names) if told.attributes else None
    settings = {**settings, "sampling_strategy": strategy, "balance_on": names}
    return Task(told, classes, strategy, plan, settings, model, image_format)


def check_writing(task: Task, out: Output | None) -> None:
    """Raise DataError where what is planned cannot be written as it shall be."""
    if out is not None:
        check_format(out.path, task.labelled, out.format, task.image_format)
        # Which amounts are validated is not known before, and may be none
        check_room(
            out.path,
            task.labelled,
            {} if task.is_validated else task.plan,
            out.format,
            task.classes.of_images,
            1.0 if task.settings["gan_only"] else task.settings["gan_share"],
        )
