"""What JSON says of a model, taken for what it should be or refused.

JSON has fewer types than we do, and a stranger's may have any of them anywhere.
"""

import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from balancegan.attributes import Attributes
from balancegan.images import ImageFormat

Described = TypeVar("Described")
LARGEST_INTEGER = 2**53  # that every JSON has exactly


def take_as(kind: type[Described], facts: Any) -> Described:
    """Return a data class of what JSON has for its fields.

    Raises
    ------
    ValueError
        If a field is of another type, or a number that is none.
    TypeError
        If a field is missing, or there is one too many.

    Examples
    --------
    >>> from balancegan.gan.presets import PRESETS, Preset
    >>> from dataclasses import asdict
    >>> facts = asdict(PRESETS["default"])
    >>> take_as(Preset, facts) == PRESETS["default"]
    True
    >>> take_as(Preset, facts | {"latent_dim": "many"})
    Traceback (most recent call last):
        ...
    ValueError: latent_dim is 'many'
    """
    hints = get_type_hints(kind)
    fields = {}
    for name, value in facts.items():
        check(name, value, hints.get(name, object))
        fields[name] = tuple(value) if isinstance(value, list) else value
    return kind(**fields)


def take_image_format(facts: Any) -> ImageFormat:
    """Return the layout and range of a model's images."""
    found = take_as(ImageFormat, facts)
    try:
        kind = np.dtype(found.dtype).kind
    except SyntaxError:  # numpy takes a text with commas for Python
        kind = "O"
    n_values = math.prod(found.row_shape)
    if kind not in "iufb" or n_values != math.prod(found.image_shape):
        raise ValueError(f"images of {found}")
    if not found.low < found.high:
        raise ValueError(f"values from {found.low} to {found.high}")
    return found


def take_counts(facts: Any, attributes: Attributes) -> np.ndarray:
    """Return how many training images each class has."""
    check("counts", facts, list[int])
    counts = np.array(facts, dtype=int)
    if counts.min(initial=0) < 0 or not counts.any():
        raise ValueError(f"counts are {facts}")
    return counts.reshape(attributes.sizes)


def take_class_names(facts: Any, attributes: Attributes) -> list[str] | None:
    """Return what the classes are called, where they have names."""
    check("class_names", facts, list[str] | None)
    if facts is not None and len(facts) != attributes.sizes[0]:
        raise ValueError(f"class_names are {len(facts)}")
    return facts


def take_range(facts: Any) -> tuple[float, float] | None:
    """Return two ends of values, where there are such."""
    check("file_range", facts, tuple[float, float] | None)
    if facts is None:
        return None
    low, high = facts
    if not low < high:
        raise ValueError(f"file_range is {facts}")
    return low, high


def take_flag(facts: Mapping[str, Any], name: str) -> bool:
    """Return a fact that holds or not; one that is missing does not."""
    flag: bool = facts.get(name, False)
    check(name, flag, bool)
    return flag


def take_numbers(facts: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Return some of the facts, numbers of these kinds that are not below 0."""
    found = {name: facts[name] for name in kinds}
    for name, kind in kinds.items():
        check(name, found[name], kind)
        if found[name] < 0:
            raise ValueError(f"{name} is {found[name]}")
    return found


def check(name: str, value: Any, hint: Any) -> None:
    """Raise ValueError unless a value of JSON is of the type that is hinted at.

    Examples
    --------
    >>> check("low", 0, float), check("sides", [8, 8], tuple[int, ...])
    (None, None)
    >>> check("low", float("nan"), float)
    Traceback (most recent call last):
        ...
    ValueError: low is 'nan'
    """
    if not _is_of(value, hint):
        raise ValueError(f"{name} is {str(value)[:50]!r}")


def _is_of(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is UnionType or NoneType in inner:
        return any(_is_of(value, one) for one in inner)
    if origin in (tuple, list):
        of_all = inner[0]
        fixed = origin is tuple and inner[-1] is not Ellipsis
        long_enough = not fixed or (
            isinstance(value, list) and len(value) == len(inner)
        )
        return (
            isinstance(value, list)
            and long_enough
            and all(_is_of(one, of_all) for one in value)
        )
    if hint is int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and abs(value) <= LARGEST_INTEGER
    if hint is float:
        is_float = isinstance(value, float) and math.isfinite(value)
        return is_float or _is_of(value, int)
    return isinstance(value, hint)
