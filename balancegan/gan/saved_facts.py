"""The facts of a saved model, read from JSON and checked.

JSON has fewer types than we do, and a foreign file may have any of them anywhere.
"""

import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from balancegan.attributes import Attributes
from balancegan.gan.networks import GENERATORS
from balancegan.gan.presets import Preset
from balancegan.images import ImageFormat

# What facts of unexpected types raise
FACT_ERRORS = (
    AttributeError,
    KeyError,
    MemoryError,
    OverflowError,
    SyntaxError,  # numpy parses dtypes with commas as Python
    TypeError,
    ValueError,
)
LARGEST_INTEGER = 2**53  # exact in every JSON reader

Described = TypeVar("Described")


def read_fields(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a TrainedModel except its generator.

    Raises one of ``FACT_ERRORS`` if the facts are not as we write them.
    """
    attributes = _read_attributes(facts["attributes"])
    preset = _read_dataclass(Preset, facts["preset"])
    if preset.networks not in GENERATORS:
        raise ValueError(f"networks are {preset.networks!r}")
    numbers = {"seed": int, "n_steps": int, "kept_step": int, "seconds": float}
    kinds = {
        **numbers,
        "counts": list[int],
        "class_names": list[str] | None,
        "file_range": tuple[float, float] | None,
        "has_wide_grey": bool,
    }
    fields = {name: facts[name] for name in kinds}
    for name, kind in kinds.items():
        _check_type(name, fields[name], kind)
    counts = np.array(fields["counts"], dtype=int)
    names, file_range = fields["class_names"], fields["file_range"]
    for name in numbers:
        if fields[name] < 0:
            raise ValueError(f"{name} is {fields[name]}")
    if counts.min(initial=0) < 0 or not counts.any():
        raise ValueError(f"counts are {fields['counts']}")
    if names is not None and len(names) != attributes.sizes[0]:
        raise ValueError(f"class_names are {len(names)}")
    if file_range is not None and not file_range[0] < file_range[1]:
        raise ValueError(f"file_range is {file_range}")
    return {
        **fields,
        "attributes": attributes,
        "preset": preset,
        "image_format": _read_image_format(facts["image_format"]),
        "counts": counts.reshape(attributes.sizes),
        "file_range": file_range and tuple(file_range),
    }


def _read_attributes(facts: list[dict[str, Any]]) -> Attributes:
    for one in facts:
        _check_type("name", one["name"], str)
        _check_type("values", one["values"], list)
    values = [np.array(one["values"], dtype=one["dtype"]) for one in facts]
    attributes = Attributes(tuple(one["name"] for one in facts), tuple(values))
    if not facts or any(len(np.unique(v)) != len(v) or v.ndim != 1 for v in values):
        raise ValueError("attributes without values, or with duplicate ones")
    return attributes


def _read_image_format(facts: Any) -> ImageFormat:
    found = _read_dataclass(ImageFormat, facts)
    kind, n_values = np.dtype(found.dtype).kind, math.prod(found.row_shape)
    if kind not in "iufb" or n_values != math.prod(found.image_shape):
        raise ValueError(f"images of {found}")
    if not found.low < found.high:
        raise ValueError(f"values from {found.low} to {found.high}")
    return found


def _read_dataclass(kind: type[Described], facts: Any) -> Described:
    """Return a dataclass of fields from JSON; raise ValueError for wrong types."""
    hints, fields = get_type_hints(kind), {}
    for name, value in facts.items():
        _check_type(name, value, hints.get(name, object))
        fields[name] = tuple(value) if isinstance(value, list) else value
    return kind(**fields)


def _check_type(name: str, value: Any, hint: Any) -> None:
    if not _is_of_type(value, hint):
        raise ValueError(f"{name} is {str(value)[:50]!r}")


def _is_of_type(value: Any, hint: Any) -> bool:
    """Return whether a JSON value fits a type hint; NaN and infinity fit none."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is UnionType or NoneType in inner:
        return any(_is_of_type(value, one) for one in inner)
    if origin in (tuple, list):
        has_any_length = origin is list or inner[-1] is Ellipsis
        return (
            isinstance(value, list)
            and (has_any_length or len(value) == len(inner))
            and all(_is_of_type(one, inner[0]) for one in value)
        )
    if hint is int:
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        return is_integer and abs(value) <= LARGEST_INTEGER
    if hint is float:
        is_float = isinstance(value, float) and math.isfinite(value)
        return is_float or _is_of_type(value, int)
    return isinstance(value, hint)
