"""Balance from file to file: train or load, make images, write them with a card."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balancegan.balance import Plan
from balancegan.cli.card import count_added, describe_balanced
from balancegan.cli.tasks import CALL_SETTINGS, Output, Task, make_augmenter
from balancegan.cli.training import describe_training, name_classes
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
from balancegan.progress import show_progress
from balancegan.samplers.augmenter import ConditionalGANAugmenter
from balancegan.samplers.copies import list_moves
from balancegan.samplers.synthesis import Synthesis

# Settings that a saved model takes from the command
OF_COMMAND = ("gan_share", "moves", "max_ratio", "verbose", "balance_on")


def balance_file(task: Task, out: Output, checkpoints: Path | None) -> dict[str, Any]:
    """Write a balanced copy of labelled images.

    Parameters
    ----------
    task, out : Task, Output
        What to add, and where to write.
    checkpoints : Path or None
        Folder of checkpoints, to resume from. None: no checkpoints.

    Returns
    -------
    facts : dict
        For JSON: how the model was trained, what was added ("plan": the number per
        class), quality, findings and memory.
    """
    labelled, show = task.labelled, bool(task.settings["verbose"])
    if not any(task.plan.values()):
        columns = {name: np.empty(0) for name in ("method", "score", "weight")}
        nothing = SyntheticImages.none(labelled.labels)
        nothing = replace(nothing, origins=pd.DataFrame(columns))
        with show_progress("Writing", visible=show):
            _write(out, labelled, nothing, task.image_format)
        return {"plan": task.plan, "peak_memory_bytes": peak_memory_bytes()}
    augmenter = _trained(task, checkpoints)

    how = {name: task.settings[name] for name in CALL_SETTINGS}
    rows = augmenter.synthesize(task.strategy, labelled.images, labelled.targets, **how)
    report, truncation = augmenter.report_, how["truncation"]
    positions = augmenter.model_.attributes.positions(augmenter.balance_on)
    classes = rows.labels.joined(positions)
    label, *others = rows.labels.columns
    synthetic = SyntheticImages(
        rows,
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
        **describe_training(augmenter),
        "model": None if task.model is None else str(task.model),
        "fingerprint": synthetic.model,
        "quality": _facts_of(report.quality_summary),
        "moves": _describe_moves(augmenter),
        "truncation": truncation,
    }
    plan = augmenter.n_to_generate_
    moves = _list_moves(rows, augmenter, labelled)
    added = pd.DataFrame(
        {"class": pd.Series(classes.tolist()), "method": rows.methods, "move": moves}
    )
    facts["added"] = count_added(added)
    card = _Card(task, plan, facts, report.class_history, added)
    with show_progress("Writing", visible=show), explaining(out.path):
        _write(out, labelled, synthetic, augmenter.model_.image_format, card)
    memory = peak_memory_bytes()
    return {"plan": plan, **facts, **card.found(), "peak_memory_bytes": memory}


class _Card:
    """Examines the written files, and returns the card."""

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
        """Return the findings about the written files, for JSON."""
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
    # Check again: another program may have written there during training
    check_output(out.path, labelled.path, overwrite=out.overwrite, with_card=True)
    write_images(out.path, labelled, synthetic, card=card, image_format=image_format)


def estimate_file(task: Task) -> dict[str, Any]:
    """Return the fields of an Estimate of balancing a file."""
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
        reject = task.settings["reject"]
        cost = estimate_cost(augmenter, images, targets, n_images, reject=reject)
        return asdict(cost)


def read_model(
    model: Path, labelled: LabelledImages, *, is_range_given: bool
) -> tuple[tuple[str, ...], ImageFormat]:
    """Return the attributes of a saved model, the label first, and its format.

    Raises
    ------
    DataError
        If files were resized to another size than the model's, or scaled to another
        range (unless `is_range_given`).
    """
    trained = ConditionalGANAugmenter.load(model).model_
    known = trained.image_format
    height, width = known.image_shape[:2]
    if labelled.fit is not None and labelled.images.shape[1:3] != (height, width):
        received = "x".join(map(str, labelled.images.shape[1:3]))
        raise DataError(
            f"The model makes images of {height}x{width} pixels. Received: files "
            f"resized to {received}. Use --size {height}x{width}."
        )
    own, other = trained.file_range, labelled.file_range
    if own and other and own != other and not is_range_given:
        raise DataError(
            f"The model was trained on files whose values {Scale(*own).ends()} became "
            f"0 to 255. Received: files with {Scale(*other).ends()}. Set value-range "
            f"in --config: [{own[0]:g}, {own[1]:g}], or "
            f"[{other[0]:g}, {other[1]:g}] to keep both scales."
        )
    return trained.attributes.names, known


def _trained(task: Task, checkpoints: Path | None) -> ConditionalGANAugmenter:
    """Return the augmenter of a task, loaded or trained."""
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
                f"{known.high:g}. Received: value-range [{asked.low:g}, "
                f"{asked.high:g}]. Leave it out, or train another model."
            )
    return augmenter.set_params(**{name: task.settings[name] for name in OF_COMMAND})


def _origins(quality: pd.DataFrame) -> pd.DataFrame:
    """Return the method, weight and score of each image."""
    score = quality.get("probability", np.nan)
    return quality[["method", "weight"]].assign(score=score)


def _describe_moves(augmenter: ConditionalGANAugmenter) -> dict[str, Any]:
    """Return how copies may be moved; with moves "auto", also the evidence."""
    found = augmenter.report_.moves
    if found is None:
        allowed = list_moves(augmenter.moves) or ()
        return {"allowed": list(allowed), "sentence": None, "found": None}
    tried = _facts_of(found.table)
    return {"allowed": [*found.allowed], "sentence": found.sentence, "found": tried}


def _facts_of(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as rows for JSON, with None for missing values."""
    rows = summary.astype(object).where(summary.notna(), None).to_dict("records")
    return [
        {
            str(name): value.item() if isinstance(value, np.generic) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _sizes_of(labels: np.ndarray, labelled: LabelledImages) -> np.ndarray | None:
    """Return the median height and width of the files of each label's class.

    None if images are in arrays.
    """
    if labelled.train.sizes is None:
        return None
    sizes = pd.DataFrame(labelled.train.sizes, columns=["height", "width"])
    medians = sizes.groupby(labelled.labels).median().round().astype(int)
    return medians.loc[labels].to_numpy()


def _list_moves(
    rows: Synthesis, augmenter: ConditionalGANAugmenter, labelled: LabelledImages
) -> list[str]:
    """Return how each added image was moved, "" if it is not a copy."""
    sides, sizes = augmenter.model_.image_format.image_shape[:2], labelled.train.sizes
    return [
        ""
        if source < 0
        else rows.describe_move(row, sides if sizes is None else tuple(sizes[source]))
        for row, source in enumerate(rows.sources.tolist())
    ]
