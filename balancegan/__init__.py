"""Balance labelled image sets with a conditional GAN, and say whether it helped.

Start with :class:`ConditionalGANAugmenter`, then ask :func:`compare`; or start with
``balancegan --help`` at the command line. The public names are loaded when first used,
so that importing the package is quick and does not start TensorFlow.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from balancegan.arms import Arm
    from balancegan.augmenter import ConditionalGANAugmenter
    from balancegan.balance import class_counts, imbalance_ratio, plan_synthesis
    from balancegan.comparison import EvaluationResult
    from balancegan.datasets import LabelledImages, read_npz, write_npz
    from balancegan.errors import DataError, SavedModelError, TrainingFailed
    from balancegan.evaluation import compare
    from balancegan.report import write_report

__version__ = version("balancegan")

__all__ = [
    "Arm",
    "ConditionalGANAugmenter",
    "DataError",
    "EvaluationResult",
    "LabelledImages",
    "SavedModelError",
    "TrainingFailed",
    "class_counts",
    "compare",
    "imbalance_ratio",
    "plan_synthesis",
    "read_npz",
    "write_npz",
    "write_report",
]

_HOMES = {
    "Arm": "arms",
    "ConditionalGANAugmenter": "augmenter",
    "DataError": "errors",
    "EvaluationResult": "comparison",
    "LabelledImages": "datasets",
    "SavedModelError": "errors",
    "TrainingFailed": "errors",
    "class_counts": "balance",
    "compare": "evaluation",
    "imbalance_ratio": "balance",
    "plan_synthesis": "balance",
    "read_npz": "datasets",
    "write_npz": "datasets",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
