"""What holds arrays is compared and hashed by what it is, not by the arrays in it."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import keras
import numpy as np
import pandas as pd
import pytest

import balancegan

ARRAYS = (np.ndarray, pd.DataFrame, pd.Series)


def find_dataclasses():
    found = {}
    for module in pkgutil.walk_packages(balancegan.__path__, "balancegan."):
        if not module.name.endswith("__main__"):
            for one in vars(importlib.import_module(module.name)).values():
                own = getattr(one, "__module__", "").startswith("balancegan.")
                if own and isinstance(one, type) and is_dataclass(one):
                    found[f"{one.__module__}.{one.__qualname__}"] = one
    return found


def holds_arrays(hint: Any, within: tuple[type, ...] = ()) -> bool:
    """Return whether what is hinted at has arrays in it, to any depth."""
    if get_origin(hint) is Callable or hint in within:  # a tree's node has nodes
        return False
    if isinstance(hint, type) and is_dataclass(hint):
        return any(holds_arrays(own, (*within, hint)) for own in field_hints(hint))
    if isinstance(hint, type) and issubclass(hint, ARRAYS):
        return True
    return any(holds_arrays(own, within) for own in get_args(hint))


def field_hints(kind):
    hints = get_type_hints(kind, localns={"keras": keras})
    return [hints[field.name] for field in fields(kind)]


@dataclass(frozen=True)
class Inner:
    rows: dict[str, np.ndarray | None]


@dataclass(frozen=True)
class Outer:
    inner: list[Inner]


@dataclass(frozen=True)
class Other:
    change: Callable[[np.ndarray], np.ndarray]
    n: int


def test_arrays_are_found_to_any_depth():
    assert [holds_arrays(kind) for kind in (Inner, Outer, Other)] == [True, True, False]
    inner = Inner({"a": np.zeros(2)})
    with pytest.raises(ValueError, match="ambiguous"):
        assert inner == Inner({"a": np.zeros(2)})


def test_dataclasses_with_arrays_are_compared_by_identity():
    found = find_dataclasses()
    wrong = [
        name
        for name, kind in found.items()
        if holds_arrays(kind)
        and (kind.__eq__ is not object.__eq__ or kind.__hash__ is not object.__hash__)
    ]
    assert not wrong, f"they need eq=False: {', '.join(wrong)}"
    assert sum(map(holds_arrays, found.values())) > 20
