"""Training on files and keeping the model."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from balancegan.augmenter import ConditionalGANAugmenter
from balancegan.data.labelled import LabelledImages


def train_file(
    labelled: LabelledImages,
    settings: Mapping[str, Any],
    model: Path,
    *,
    overwrite: bool,
    checkpoints: Path,
) -> dict[str, Any]:
    """Train on a file's images and save the model; return how it was trained.

    Training is written down in the folder `checkpoints`, and gone on with from there.

    Raises
    ------
    KeyboardInterrupt
        If training is interrupted. Where it had begun, the best state so far is saved.
    """
    augmenter = ConditionalGANAugmenter(**settings)
    try:
        augmenter.fit(labelled.images, labelled.targets, checkpoint_dir=checkpoints)
    except KeyboardInterrupt as error:
        if hasattr(augmenter, "model_"):
            _save(augmenter, labelled, model, overwrite=overwrite)
            error.add_note(f"{model} holds the best state so far.")
        raise
    _save(augmenter, labelled, model, overwrite=overwrite)
    return training_facts(augmenter)


def _save(
    augmenter: ConditionalGANAugmenter,
    labelled: LabelledImages,
    model: Path,
    *,
    overwrite: bool,
) -> None:
    name_classes(augmenter, labelled)
    augmenter.save(model, overwrite=overwrite)


def name_classes(augmenter: ConditionalGANAugmenter, labelled: LabelledImages) -> None:
    """Let a trained model know what people call its classes."""
    labels = augmenter.model_.attributes.values[0].tolist()
    names = [labelled.name(label) for label in labels]
    augmenter.model_ = replace(augmenter.model_, class_names=names)


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
