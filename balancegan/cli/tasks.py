"""What shall be balanced and what shall be written: decided before any training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count

from balancegan.attributes import ONE_LABEL, Labels
from balancegan.balance import (
    Plan,
    Strategy,
    class_counts,
    parse_strategy,
    plan_synthesis,
)
from balancegan.cli.classes import BalancedClasses
from balancegan.cli.display import describe_format
from balancegan.cli.edge import load_tensorflow
from balancegan.data.filewriting import note_added
from balancegan.data.imagefiles import note_sizes
from balancegan.data.labelled import LabelledImages
from balancegan.data.outputs import IMAGE_FILES, check_disk_space, output_format
from balancegan.data.writing import check_writable
from balancegan.evaluation.result import EvaluationResult
from balancegan.gan.devices import has_gpu, may_have_gpu
from balancegan.gan.presets import choose_preset
from balancegan.images import ImageFormat
from balancegan.samplers.augmenter import ConditionalGANAugmenter
from balancegan.samplers.copies import AUTO
from balancegan.samplers.training import TrainingOptions, plan_training
from balancegan.targets import read_attributes

OPTIONS = (
    "preset",
    "batch_size",
    "learning_rate",
    "precision",
    "strategy",
    "tensorboard",
)
SCREENING = ("reject", "best_of", "truncation")
SIDE_ON_CPU, SIDE_ON_GPU = 64, 128  # pixels that image files are brought to
# Of a training step at 64x64 in colour, measured on two cores of a server
STEP_CORE_SECONDS = 1.2
FEWEST_STEPS = 1_000  # a third of the preset's: with fewer, smaller images are better
# Next to files of more than twice its size a generated image looks blurred. Many of
# them teach that blurred means rare; few bring no gain (benchmarks/LOG.md, "Photos")
MOST_TIMES_LARGER = 2.0


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
        The number of images to make per class. If there are none, nothing is trained.
    settings : mapping
        Arguments of :class:`ConditionalGANAugmenter`.
    model : Path or None
        A saved model to use. None: one is trained.
    image_format : ImageFormat
        Of the images: the model's, or as found.
    blurred : str, default=""
        What to say of generated images that are much smaller than files.
    """

    labelled: LabelledImages
    classes: BalancedClasses
    strategy: Strategy
    plan: Plan
    settings: Mapping[str, Any]
    model: Path | None
    image_format: ImageFormat
    blurred: str = ""

    @cached_property
    def needs_gan(self) -> bool:
        """Whether an image has to be generated; if not, no GAN is trained."""
        if not any(self.plan.values()):
            return False
        augmenter = make_augmenter(self.settings)
        images, targets = self.labelled.images, self.labelled.targets
        labels = read_attributes(targets) or Labels.of_one(np.asarray(targets))
        return plan_training(augmenter, images, labels).needs_gan


def make_augmenter(settings: Mapping[str, Any], **more: Any) -> ConditionalGANAugmenter:
    """Return the augmenter with the settings of a command.

    Settings of single calls ("reject", "best_of", "truncation") are left out.
    """
    own = {**settings, **more}
    options = TrainingOptions(
        **{name: own.pop(name) for name in OPTIONS if name in own}
    )
    own = {name: value for name, value in own.items() if name not in SCREENING}
    return ConditionalGANAugmenter(**own, preset=options)


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
        return output_format(self.path, self.format) in IMAGE_FILES


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
    plan = plan_synthesis(
        classes.of_images, strategy, settings["max_ratio"], classes.combinations
    )
    names = list(classes.names) if told.attributes else None
    settings = {**settings, "sampling_strategy": strategy, "balance_on": names}
    if settings["gan_share"] is None:
        settings["gan_share"] = ConditionalGANAugmenter().gan_share
    return Task(told, classes, strategy, plan, settings, model, image_format)


def without_blurred(task: Task, *, is_asked: bool) -> Task:
    """Return a task that generates no images next to much larger files.

    Parameters
    ----------
    task : Task
        Whose images are written as files, next to the originals where these are files.
    is_asked : bool
        Whether the user wants generated images: the task stays as it is then.

    Returns
    -------
    task : Task
        Its `blurred` says why. The same one where files are not much larger, or
        nothing would be generated.
    """
    sizes = task.labelled.train.sizes
    height, width = task.image_format.image_shape[:2]
    own = max(height, width)
    sides = np.zeros(1) if sizes is None else sizes.max(axis=1)
    if np.median(sides) <= MOST_TIMES_LARGER * own or not task.needs_gan:
        return task
    files = f"files of {sides.min()} to {sides.max()} px"
    sharper = f"--size {2 * own} makes them sharper"
    if is_asked:
        said = (
            f"generated images of {height}x{width} will be blurred next to {files}, "
            "and a classifier may learn that blurred means rare. "
            f"{sharper}; --gan-share 0 adds copies only"
        )
        return _noting(task, said)
    share = task.settings["gan_share"]
    said = (
        f"no images are generated: at {height}x{width} they would be blurred next to "
        f"{files}, and a classifier could learn that blurred means rare. --gan-share "
        f"{share:g} generates them anyway{_say_training(task)}; {sharper}"
    )
    return _noting(task, said, gan_share=0.0)


def note_files(task: Task) -> Task:
    """Return a task whose notes on sizes and values are true of the files written.

    Copies of files keep their size and their values: no model sees them.
    """
    labelled = task.labelled
    if task.model is not None or task.needs_gan or labelled.attributes:
        notes = [*labelled.notes, *note_added(labelled)]
    elif task.settings["moves"] == AUTO or labelled.fit is None:
        return task
    else:
        parts = labelled.parts.values()
        sides = np.concatenate([p.sizes for p in parts if p.sizes is not None])
        height, width = labelled.images.shape[1:3]
        idle = note_sizes(sides, (height, width), labelled.fit, "files")
        notes = [note for note in labelled.notes if note not in idle]
    return replace(task, labelled=replace(labelled, notes=notes))


def _noting(task: Task, note: str, **settings: Any) -> Task:
    labelled = replace(task.labelled, notes=[*task.labelled.notes, note])
    settings = {**task.settings, **settings}
    return replace(task, labelled=labelled, settings=settings, blurred=note)


def _say_training(task: Task) -> str:
    """Return roughly how long training would take, "" where nobody can tell."""
    settings, side = task.settings, max(task.image_format.image_shape[:2])
    minutes = settings["max_minutes"]
    if minutes is None:
        if has_gpu():
            return ""
        preset = choose_preset(settings["preset"], steps=settings["steps"])
        steps = preset.n_steps(len(task.labelled.images))
        minutes = max(1, round(steps * step_seconds(side) / 60))
    return f" (training: about {minutes:g} min)"


def step_seconds(side: int) -> float:
    """Return about how long a training step takes on the CPUs of this machine."""
    return STEP_CORE_SECONDS * (side / SIDE_ON_CPU) ** 2 / cpu_count()


def choose_largest_side(settings: Mapping[str, Any], *, quiet: bool) -> int:
    """Return the longer side that image files are brought to, at most.

    128 on a GPU, 64 on CPUs; on these half of it where "max_minutes" would end training
    before a third of its steps.
    """
    if settings.get("gan_share") == 0:
        return SIDE_ON_CPU  # nothing is trained
    if may_have_gpu():
        load_tensorflow(quiet=quiet, joins_others=True)  # devices are started later
        if has_gpu():
            return SIDE_ON_GPU
    if settings["max_minutes"] is None:
        return SIDE_ON_CPU
    steps = 60 * settings["max_minutes"] / step_seconds(SIDE_ON_CPU)
    return SIDE_ON_CPU if steps >= FEWEST_STEPS else SIDE_ON_CPU // 2


def check_writing(task: Task, out: Output | None) -> None:
    """Raise DataError where what is planned cannot be written as it shall be."""
    if out is not None:
        check_writable(out.path, task.labelled, out.format, task.image_format)
        check_disk_space(
            out.path,
            task.labelled,
            sum(task.plan.values()),
            out.format,
        )


def describe_task(
    task: Task, facts: Mapping[str, Any], result: EvaluationResult | None
) -> dict[str, Any]:
    """Return facts for JSON, with a row for each class in place of the plan."""
    counts = class_counts(task.classes.of_images)
    classes = [
        {
            "label": label,
            "name": task.classes.name(label),
            "real": counts.get(label, 0),
            "synthetic": n,
        }
        for label, n in facts.get("plan", task.plan).items()
    ]
    return {
        "images": describe_format(task.image_format),
        "classes": classes,
        "arrays_not_extended": task.labelled.aligned_keys,
        **{name: fact for name, fact in facts.items() if name != "plan"},
        **({} if result is None else {"evaluation": json.loads(result.to_json())}),
    }
