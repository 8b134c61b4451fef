"""Balance labelled image sets with a conditional GAN, and say whether it helped.

Start with :class:`ConditionalGANAugmenter`, or with ``balancegan --help`` at the
command line. The public names are loaded when first used, so that importing the
package is quick and does not start TensorFlow.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from balancegan.augmenter import ConditionalGANAugmenter
    from balancegan.balance import class_counts, imbalance_ratio, plan_synthesis
    from balancegan.datasets import LabelledImages, read_npz, write_npz
    from balancegan.errors import DataError, SavedModelError, TrainingFailed

__version__ = version("balancegan")

__all__ = [
    "ConditionalGANAugmenter",
    "DataError",
    "LabelledImages",
    "SavedModelError",
    "TrainingFailed",
    "class_counts",
    "imbalance_ratio",
    "plan_synthesis",
    "read_npz",
    "write_npz",
]

_HOMES = {
    "ConditionalGANAugmenter": "augmenter",
    "DataError": "errors",
    "LabelledImages": "datasets",
    "SavedModelError": "errors",
    "TrainingFailed": "errors",
    "class_counts": "balance",
    "imbalance_ratio": "balance",
    "plan_synthesis": "balance",
    "read_npz": "datasets",
    "write_npz": "datasets",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
