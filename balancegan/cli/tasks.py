"""Decide what to balance, generate and write, before any training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count

from balancegan.attributes import ONE_LABEL, Attributes, Labels
from balancegan.balance import (
    Plan,
    Strategy,
    class_counts,
    parse_strategy,
    plan_synthesis,
)
from balancegan.cli.edge import load_tensorflow
from balancegan.data.filewriting import note_added
from balancegan.data.imagefiles import note_sizes
from balancegan.data.labelled import LabelledImages
from balancegan.data.outputs import IMAGE_FILES, check_disk_space, output_format
from balancegan.data.writing import check_writable
from balancegan.errors import DataError
from balancegan.gan.devices import has_gpu, may_have_gpu
from balancegan.gan.presets import choose_preset
from balancegan.images import ImageFormat
from balancegan.samplers.augmenter import ConditionalGANAugmenter
from balancegan.samplers.copies import AUTO
from balancegan.samplers.training import TrainingOptions, plan_training
from balancegan.targets import read_attributes

SIDE_ON_CPU, SIDE_ON_GPU = 64, 128  # pixels that image files are resized to
# Of a training step at 64x64 in colour, measured on two cores of a server
STEP_CORE_SECONDS = 1.2
FEWEST_STEPS = 1_000  # with fewer, smaller images are better
# Next to files of more than twice their size, generated images look blurred, and
# classifiers learn that blurred means rare
MOST_TIMES_LARGER = 2.0
TRAINING_OPTIONS = (
    "preset",
    "batch_size",
    "learning_rate",
    "precision",
    "strategy",
    "tensorboard",
)
CALL_SETTINGS = ("reject", "best_of", "truncation")  # of fit_resample, synthesize
JOINT = ","  # between the values of a combination in options


class BalancedClasses:
    """The classes to balance, with their names.

    Parameters
    ----------
    labelled : LabelledImages
        The images.
    names : sequence of str, default=()
        The attributes whose values or combinations are the classes. Empty: the label.

    Attributes
    ----------
    names : tuple of str
        The attributes.
    of_images : ndarray of shape (n,)
        The class of each training image: a value, or a tuple with several attributes.
    """

    def __init__(self, labelled: LabelledImages, names: Sequence[str] = ()) -> None:
        self.labelled = labelled
        self.names = tuple(names) or (labelled.label_name,)
        self.attributes, _ = Attributes.learn(self._labels)
        self.of_images = self._labels.joined(self.attributes.positions(self.names))

    @cached_property
    def _labels(self) -> Labels:
        labelled = self.labelled
        columns = [labelled.train.columns[n].to_numpy() for n in labelled.attributes]
        columns = [np.asarray(column.tolist()) for column in columns]
        return Labels(
            (labelled.label_name, *labelled.attributes), (labelled.labels, *columns)
        )

    def find(self, text: str) -> Any:
        """Return the class of a text: its values with commas between.

        Raises
        ------
        DataError
            If there is none.
        """
        texts = text.split(JOINT) if len(self.names) > 1 else [text]
        if len(texts) != len(self.names):
            raise DataError(
                f"A class is a value of each of {', '.join(self.names)}, in this "
                f"order, with commas between. Received: {text!r}."
            )
        values = [
            self._find_value(*pair) for pair in zip(self.names, texts, strict=True)
        ]
        return values[0] if len(values) == 1 else tuple(values)

    @property
    def combinations(self) -> list[Any]:
        """All combinations of the values that images have."""
        return self.attributes.combinations(self.names)

    def _find_value(self, name: str, text: str) -> Any:
        if name == self.labelled.label_name:
            return self.labelled.find_label(text)
        return self.attributes.find_text(self.attributes.names.index(name), text)

    def texts(self, label: Any) -> list[str]:
        """Return the names of the values of a class."""
        values = [label] if len(self.names) == 1 else label
        return [
            self.labelled.name(value)
            if name == self.labelled.label_name
            else str(value)
            for name, value in zip(self.names, values, strict=True)
        ]

    def name(self, label: Any) -> str:
        """Return the name of a class."""
        return ", ".join(self.texts(label))


@dataclass(frozen=True, eq=False)
class Task:
    """What to balance, and how.

    Parameters
    ----------
    labelled : LabelledImages
        The images.
    classes : BalancedClasses
        The classes that `strategy` and `plan` name.
    strategy : str, float or dict
        The targets.
    plan : dict
        The resulting number of images to add per class. All zero: nothing is trained.
    settings : mapping
        Settings of a command, see :func:`make_augmenter`.
    model : Path or None
        A saved model to use. None: one is trained.
    image_format : ImageFormat
        The model's format, or that of the images.
    blurred : str, default=""
        A note on generated images that are much smaller than files.
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
    """Return the augmenter with the settings of a command, except those of calls."""
    own = {n: s for n, s in {**settings, **more}.items() if n not in CALL_SETTINGS}
    training = {name: own.pop(name) for name in TRAINING_OPTIONS if name in own}
    return ConditionalGANAugmenter(**own, preset=TrainingOptions(**training))


@dataclass(frozen=True)
class Output:
    """The file or folder to write, and whether an earlier one may be replaced."""

    path: Path
    overwrite: bool

    @property
    def is_files(self) -> bool:
        """Whether each image is written as a file."""
        return output_format(self.path) in IMAGE_FILES


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
    """Plan how many images to add to each class.

    Parameters
    ----------
    labelled, settings, model, image_format
        See :class:`Task`.
    targets : sequence of str
        See :func:`balancegan.balance.parse_strategy`.
    known : sequence of str
        The attributes of a saved model, the label first; empty without a model.
    attributes : sequence of str
        Columns that condition the GAN, in addition to the label.
    balance_on : sequence of str or None
        The attributes that define the classes. None: the label.

    Raises
    ------
    DataError
        If columns, classes or targets cannot be used.
    """
    label_name = known[0] if len(known) > 1 else ONE_LABEL
    balance_on = balance_on or ()
    columns = [*known[1:], *attributes, *balance_on]
    labelled = labelled.with_attributes(columns, label_name)
    classes = BalancedClasses(labelled, balance_on)
    strategy = parse_strategy(targets, classes.find)
    plan = plan_synthesis(
        classes.of_images, strategy, settings["max_ratio"], classes.combinations
    )
    names = list(classes.names) if labelled.attributes else None
    settings = {**settings, "sampling_strategy": strategy, "balance_on": names}
    if settings["gan_share"] is None:
        settings["gan_share"] = ConditionalGANAugmenter().gan_share
    return Task(labelled, classes, strategy, plan, settings, model, image_format)


def without_blurred(task: Task, *, is_asked: bool) -> Task:
    """Return a task without generated images if the files are much larger than these.

    Its `blurred` says so. Other tasks are returned unchanged.

    Parameters
    ----------
    task : Task
        A task whose images are written as files.
    is_asked : bool
        Whether the user requested generated images: then there is only a warning.
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
        return _with_note(task, said)
    share = task.settings["gan_share"]
    said = (
        f"no images are generated: at {height}x{width} they would be blurred next to "
        f"{files}, and a classifier could learn that blurred means rare. --gan-share "
        f"{share:g} generates them anyway{_describe_duration(task)}; {sharper}"
    )
    return _with_note(task, said, gan_share=0.0)


def note_files(task: Task) -> Task:
    """Return a task whose notes on sizes and values hold for the files written.

    Copies of files keep their size and values.
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


def _with_note(task: Task, note: str, **settings: Any) -> Task:
    labelled = replace(task.labelled, notes=[*task.labelled.notes, note])
    settings = {**task.settings, **settings}
    return replace(task, labelled=labelled, settings=settings, blurred=note)


def _describe_duration(task: Task) -> str:
    """Return roughly how long training would take, "" on a GPU."""
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
    """Return the approximate duration of a training step on this machine's CPUs."""
    return STEP_CORE_SECONDS * (side / SIDE_ON_CPU) ** 2 / cpu_count()


def choose_largest_side(settings: Mapping[str, Any], *, quiet: bool) -> int:
    """Return the longest side that image files are resized to.

    128 on a GPU, else 64, or 32 if "max_minutes" would end training before a third of
    its steps.
    """
    if settings.get("gan_share") == 0:
        return SIDE_ON_CPU  # nothing is trained
    if may_have_gpu():
        load_tensorflow(quiet=quiet, joins_workers=True)  # devices are started later
        if has_gpu():
            return SIDE_ON_GPU
    if settings.get("max_minutes") is None:
        return SIDE_ON_CPU
    steps = 60 * settings["max_minutes"] / step_seconds(SIDE_ON_CPU)
    return SIDE_ON_CPU if steps >= FEWEST_STEPS else SIDE_ON_CPU // 2


def check_writing(task: Task, out: Output | None) -> None:
    """Raise DataError if what is planned cannot be written."""
    if out is not None:
        check_writable(out.path, task.labelled, task.image_format)
        check_disk_space(out.path, task.labelled, sum(task.plan.values()))


def describe_format(image_format: ImageFormat) -> str:
    """Return size, dtype and range in words.

    Examples
    --------
    >>> describe_format(ImageFormat((28, 28), (28, 28, 1), "uint8", 0, 255))
    '28x28x1 uint8 in 0..255'
    """
    size = "x".join(map(str, image_format.image_shape))
    return f"{size} {image_format.dtype} in {image_format.low:g}..{image_format.high:g}"


def describe_task(task: Task, facts: Mapping[str, Any]) -> dict[str, Any]:
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
    }
