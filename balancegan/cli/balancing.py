"""Balancing from file to file: train or load, make images, write them with a card.

``balance_command`` turns options into these arguments and shows what comes back, a
dict of facts that JSON knows.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balancegan.balance import Plan
from balancegan.cli.card import count_added, describe_balanced
from balancegan.cli.options import METHOD_PARAMETERS
from balancegan.cli.tasks import SCREENING, Output, Task, make_augmenter
from balancegan.cli.training import name_classes, save_trained, training_facts
from balancegan.data.depth import Scale
from balancegan.data.labelled import LabelledImages, SyntheticImages
from balancegan.data.output_checks import FileComparison, WrittenFiles, compare_files
from balancegan.data.outputs import check_output
from balancegan.data.writing import CardMaker, write_images
from balancegan.errors import DataError
from balancegan.files import explaining
from balancegan.images import ImageFormat, find_format
from balancegan.memory import peak_memory_bytes
from balancegan.phases import describe_times, present_times
from balancegan.pictures import compare_real_and_synthetic, write_png
from balancegan.progress import show_progress
from balancegan.samplers.augmenter import ConditionalGANAugmenter
from balancegan.samplers.copies import list_moves

# In pictures
SHOWN_PER_CLASS = 8
SHOWN_CLASSES = 20


def balance_file(task: Task, out: Output, checkpoints: Path | None) -> dict[str, Any]:
    """Write a balanced copy of labelled images.

    Training is written down in the folder `checkpoints`, and gone on with from there.

    Returns
    -------
    facts : dict
        Memory, how the model was trained; "plan", how many images of each class were
        made.
    """
    labelled, show = task.labelled, bool(task.settings["verbose"])
    if not any(task.plan.values()):
        columns = {name: np.empty(0) for name in ("method", "score", "weight")}
        nothing = SyntheticImages.none(labelled.labels)
        nothing = replace(nothing, origins=pd.DataFrame(columns))
        with show_progress("Writing", visible=show):
            _write(out, labelled, nothing, task.image_format)
        return {"plan": task.plan, "peak_memory_bytes": peak_memory_bytes()}
    augmenter = _kept(task, checkpoints, out)

    how = {name: task.settings[name] for name in SCREENING}
    rows = augmenter.synthesize(task.strategy, labelled.images, labelled.targets, **how)
    report, truncation = augmenter.report_, how["truncation"]
    positions = augmenter.model_.attributes.positions(augmenter.balance_on)
    batches = _Watched(rows, rows.labels.joined(positions))
    label, *others = rows.labels.columns
    synthetic = SyntheticImages(
        batches,
        label,
        rows.numbers,
        replace(augmenter.model_, truncation=truncation).fingerprint(),
        pd.DataFrame(dict(zip(rows.labels.names[1:], others, strict=True))),
        _sizes_of(label, labelled) if out.is_files else None,
        _origins(report.quality),
        truncation,
        rows.sources,
        rows,
    )
    facts = {
        **training_facts(augmenter),
        "model": None if task.model is None else str(task.model),
        "fingerprint": synthetic.model,
        "quality": _facts_of(report.quality_summary),
        "moves": _describe_moves(augmenter),
        "truncation": truncation,
    }
    plan = augmenter.n_to_generate_
    sides, sizes = augmenter.model_.image_format.image_shape[:2], labelled.train.sizes
    moves = [
        ""
        if source < 0
        else rows.describe_move(row, sides if sizes is None else tuple(sizes[source]))
        for row, source in enumerate(rows.sources.tolist())
    ]
    added = pd.DataFrame(
        {"class": pd.Series(batches.classes), "method": rows.methods, "move": moves}
    )
    facts["added"] = count_added(added)
    card = _Card(task, plan, facts, report.class_history, added)
    with show_progress("Writing", visible=show), explaining(out.path):
        _write(out, labelled, synthetic, augmenter.model_.image_format, card)
        if out.picture is not None:
            _write_comparison(out.picture, augmenter, task, batches.first)
    memory = peak_memory_bytes()
    return {"plan": plan, **facts, **card.found(), "peak_memory_bytes": memory}


class _Card:
    """Looks at the files that were written, and returns the card."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        facts: Mapping[str, Any],
        class_history: pd.DataFrame,
        added: pd.DataFrame,
    ) -> None:
        self.task, self.plan, self.facts = task, plan, facts
        self.class_history, self.added = class_history, added
        self.files: FileComparison | None = None

    def __call__(self, written: WrittenFiles | None) -> str:
        labelled = self.task.labelled
        if written is not None:
            visible = bool(self.task.settings["verbose"])
            with show_progress("Checking", visible=visible):
                self.files = compare_files(written, labelled.file_range)
        times = present_times()
        return describe_balanced(
            labelled,
            self.task.classes,
            self.plan,
            self.facts,
            self.class_history,
            self.added,
            self.files,
            "" if times is None else describe_times(times.read()),
        )

    def found(self) -> dict[str, Any]:
        """Return what was found of the files, for JSON."""
        if self.files is None:
            return {"files": [], "findings": []}
        keys = ("code", "title", "outcome", "message")
        findings = [
            {key: getattr(finding, key) for key in keys}
            for finding in self.files.findings
        ]
        return {"files": self.files.methods, "findings": findings}


def _write(
    out: Output,
    labelled: LabelledImages,
    synthetic: SyntheticImages,
    image_format: ImageFormat,
    card: CardMaker | None = None,
) -> None:
    # Training took its time: another program may have made something there
    check_output(
        out.path,
        labelled.path,
        overwrite=out.overwrite,
        format=out.format,
        with_card=True,
    )
    write_images(
        out.path,
        labelled,
        synthetic,
        format=out.format,
        card=card,
        image_format=image_format,
    )


def estimate_file(task: Task) -> dict[str, Any]:
    """Find out by a little work what balancing a file would cost.

    The facts are those of :class:`balancegan.cli.estimate.Estimate`.
    """
    if not task.needs_gan:
        timed = ("training_seconds", "judging_seconds", "synthesis_seconds")
        nothing = {"steps": 0, **dict.fromkeys(timed, 0.0), "needs_gan": False}
        return {**nothing, "peak_memory_bytes": peak_memory_bytes()}
    from balancegan.cli.estimate import LIMIT_SECONDS, estimate_cost

    augmenter = _loaded(task) or make_augmenter(task.settings, verbose=0)
    augmenter.set_params(sampling_strategy=task.strategy)
    images, targets = task.labelled.images, task.labelled.targets
    n_images, show = sum(task.plan.values()), bool(task.settings["verbose"])
    with show_progress("Measuring", visible=show, seconds=LIMIT_SECONDS):
        cost = estimate_cost(
            augmenter, images, targets, n_images, reject=task.settings["reject"]
        )
    return asdict(cost)


def read_model(
    model: Path, labelled: LabelledImages, *, is_range_given: bool
) -> tuple[tuple[str, ...], ImageFormat]:
    """Return what a saved model can be asked for, the label first, and its format.

    Raises
    ------
    DataError
        If files were brought to another size than the model's, or their values to
        another scale, unless somebody asked for that.
    """
    trained = ConditionalGANAugmenter.load(model).model_
    known = trained.image_format
    height, width = known.image_shape[:2]
    if labelled.fit is not None and labelled.images.shape[1:3] != (height, width):
        received = "x".join(map(str, labelled.images.shape[1:3]))
        raise DataError(
            f"The model makes images of {height}x{width} pixels. Received: files "
            f"brought to {received}. Use --size {height}x{width}."
        )
    own, other = trained.file_range, labelled.file_range
    if own and other and own != other and not is_range_given:
        raise DataError(
            f"The model learned from files whose values {Scale(*own).ends()} became 0 "
            f"to 255. Received: files whose values {Scale(*other).ends()} would. Use "
            f"--value-range {own[0]:g} {own[1]:g}, or "
            f"--value-range {other[0]:g} {other[1]:g} if each shall have its own."
        )
    return trained.attributes.names, known


def _kept(task: Task, checkpoints: Path | None, out: Output) -> ConditionalGANAugmenter:
    """Return the augmenter of a task, saved where it is to be and a GAN is trained."""
    if out.save_model is None or not task.needs_gan:
        return _trained(task, checkpoints)
    from balancegan.gan.saving import check_destination  # imports TensorFlow

    check_destination(out.save_model, overwrite=out.overwrite)
    augmenter = _trained(task, checkpoints)
    save_trained(augmenter, out.save_model, overwrite=out.overwrite)
    return augmenter


def _trained(task: Task, checkpoints: Path | None) -> ConditionalGANAugmenter:
    """Return the augmenter of a task, loaded or trained, with names of classes."""
    augmenter = _loaded(task)
    if augmenter is None:
        augmenter = make_augmenter(task.settings)
        images, targets = task.labelled.images, task.labelled.targets
        is_said = bool(task.blurred) and not (augmenter.steps or augmenter.max_minutes)
        if is_said and not task.needs_gan:
            augmenter.set_params(verbose=0)
        augmenter.fit(images, targets, checkpoint_dir=checkpoints)
        augmenter.set_params(verbose=task.settings["verbose"])
        name_classes(augmenter, task.labelled)
    return augmenter


def _loaded(task: Task) -> ConditionalGANAugmenter | None:
    if task.model is None:
        return None
    augmenter = ConditionalGANAugmenter.load(task.model)
    known, value_range = augmenter.model_.image_format, task.settings["value_range"]
    if value_range is not None:
        asked = find_format(
            task.labelled.images, task.labelled.image_shape, value_range
        )
        if (asked.low, asked.high) != (known.low, known.high):
            raise DataError(
                f"The model makes images with black at {known.low:g} and white at "
                f"{known.high:g}. Received: --value-range {asked.low:g} "
                f"{asked.high:g}. Leave it out, or train another model."
            )
    own = (*METHOD_PARAMETERS, "max_ratio", "verbose", "balance_on")
    return augmenter.set_params(**{name: task.settings[name] for name in own})


def _origins(quality: pd.DataFrame) -> pd.DataFrame:
    """Return how each image was made and judged, by the names that are written."""
    score = quality.get("probability", np.nan)
    return quality[["method", "weight"]].assign(score=score)


def _describe_moves(augmenter: ConditionalGANAugmenter) -> dict[str, Any]:
    """Return how copies may be moved and, where it was found out, what was found."""
    found = augmenter.report_.moves
    if found is None:
        allowed = list_moves(augmenter.moves) or ()
        return {"allowed": list(allowed), "sentence": None, "found": None}
    tried = _facts_of(found.table)
    return {"allowed": [*found.allowed], "sentence": found.sentence, "found": tried}


def _facts_of(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as rows that JSON knows, None where nothing is known."""
    rows = summary.astype(object).where(summary.notna(), None).to_dict("records")
    return [
        {
            str(name): value.item() if isinstance(value, np.generic) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _sizes_of(labels: np.ndarray, labelled: LabelledImages) -> np.ndarray | None:
    """Return for each label the median height and width of its class's files.

    None where images are in arrays.
    """
    if labelled.train.sizes is None:
        return None
    sizes = pd.DataFrame(labelled.train.sizes, columns=["height", "width"])
    medians = sizes.groupby(labelled.labels).median().round().astype(int)
    return medians.loc[labels].to_numpy()


class _Watched:
    """Batches, and the first images of each class."""

    def __init__(self, batches: Iterable[np.ndarray], classes: np.ndarray) -> None:
        self.batches, self.classes = batches, classes.tolist()
        self.first: dict[Any, list[np.ndarray]] = {}

    def __iter__(self) -> Iterator[np.ndarray]:
        labels = iter(self.classes)
        for batch in self.batches:
            for image in batch:
                kept = self.first.setdefault(next(labels), [])
                if len(kept) < SHOWN_PER_CLASS:
                    kept.append(image.copy())
            yield batch


def _write_comparison(
    path: Path,
    augmenter: ConditionalGANAugmenter,
    task: Task,
    first: Mapping[Any, list[np.ndarray]],
) -> None:
    """Write a picture with a row per class, real images left, synthetic right.

    These are the first that were written; right of a class that got none is nothing.
    """
    to_uint8 = augmenter.model_.image_format.to_uint8
    images = task.labelled.images
    names, real, synthetic = [], [], []
    for label in list(task.plan)[:SHOWN_CLASSES]:
        rows = task.classes.rows_of(label, SHOWN_PER_CLASS)
        names.append(task.classes.name(label))
        real.append(to_uint8(images[rows]))
        made = np.stack(first[label]) if label in first else images[:0]
        synthetic.append(to_uint8(made))
    write_png(path, compare_real_and_synthetic(names, real, synthetic))
