"""Add images to rare classes of image data sets, and measure whether it helps.

Start with :class:`ConditionalGANAugmenter` and :func:`compare`, or with
``balancegan --help`` at the command line. Public names are loaded when first used, so
importing the package is quick and does not start TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from balancegan.versions import library_versions

if TYPE_CHECKING:
    from balancegan.balance import class_counts, imbalance_ratio, plan_synthesis
    from balancegan.data.inspection import Inspection, inspect
    from balancegan.data.labelled import LabelledImages
    from balancegan.data.reading import read_images
    from balancegan.data.writing import write_images
    from balancegan.datasets import read_dataset
    from balancegan.errors import (
        CheckpointWarning,
        DataError,
        SavedModelError,
        SimplerMethodWarning,
        TrainingFailed,
        TrainingWarning,
        UnseenCombinationWarning,
    )
    from balancegan.evaluation.comparison import compare
    from balancegan.evaluation.methods import Method
    from balancegan.evaluation.report import write_report
    from balancegan.evaluation.result import EvaluationResult
    from balancegan.samplers.augmenter import ConditionalGANAugmenter

__version__ = library_versions(["balancegan"])["balancegan"]

__all__ = [
    "Method",
    "CheckpointWarning",
    "ConditionalGANAugmenter",
    "DataError",
    "EvaluationResult",
    "Inspection",
    "LabelledImages",
    "SavedModelError",
    "SimplerMethodWarning",
    "TrainingFailed",
    "TrainingOptions",
    "TrainingWarning",
    "UnseenCombinationWarning",
    "class_counts",
    "compare",
    "imbalance_ratio",
    "inspect",
    "plan_synthesis",
    "read_dataset",
    "read_images",
    "write_images",
    "write_report",
]

_HOMES = {
    "Method": "evaluation.methods",
    "CheckpointWarning": "errors",
    "ConditionalGANAugmenter": "samplers.augmenter",
    "DataError": "errors",
    "EvaluationResult": "evaluation.result",
    "Inspection": "data.inspection",
    "LabelledImages": "data.labelled",
    "SavedModelError": "errors",
    "SimplerMethodWarning": "errors",
    "TrainingFailed": "errors",
    "TrainingOptions": "samplers.training",
    "TrainingWarning": "errors",
    "UnseenCombinationWarning": "errors",
    "class_counts": "balance",
    "compare": "evaluation.comparison",
    "imbalance_ratio": "balance",
    "inspect": "data.inspection",
    "plan_synthesis": "balance",
    "read_dataset": "datasets",
    "read_images": "data.reading",
    "write_images": "data.writing",
    "write_report": "evaluation.report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
