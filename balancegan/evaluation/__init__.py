"""The comparison: whether balancing helps, for which classes, against baselines.

Start with :func:`compare` in ``comparison``: ``trials`` runs it, ``result`` holds the
result, ``checks`` and ``report`` interpret it. Names are loaded when first used, so
that reading a result does not start TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from balancegan.evaluation.amounts import choose_amounts
    from balancegan.evaluation.comparison import compare
    from balancegan.evaluation.methods import Method
    from balancegan.evaluation.report import write_report
    from balancegan.evaluation.result import EvaluationResult

__all__ = ["Method", "EvaluationResult", "choose_amounts", "compare", "write_report"]

_HOMES = {
    "Method": "methods",
    "EvaluationResult": "result",
    "choose_amounts": "amounts",
    "compare": "comparison",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
