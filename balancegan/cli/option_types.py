"""Types of options: texts to plain values, or a usage error.

The limits repeat those of ``gan.presets`` and ``samplers.copies``, whose imports would
slow down ``--help``.
"""

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

SIDE = "[1-9][0-9]{0,3}"  # of an image, in pixels
MOST_STEPS = 10**9
MOVES = ("shift", "mirror", "half-turn", "quarter-turn")


class IntegerType(click.IntRange):
    """An integer in a range."""

    name = "integer"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the integer."""
        return int(super().convert(click.INT.convert(value, param, ctx), param, ctx))


class NumberType(click.FloatRange):
    """A finite number in a range."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(click.FLOAT.convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return float(super().convert(number, param, ctx))


class OutputType(click.Path):
    """A file or folder to write, with a name of its own."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.name in ("", ".."):
            self.fail(f"{str(value)!r} does not name a file or folder.", param, ctx)
        return path


class TextType(click.ParamType):
    """A text that a function reads.

    Parameters
    ----------
    name : str
        What help texts show in place of the value.
    expected : str
        Completes "expected ..." in the error message.
    read : callable
        Returns the value of a text; None if the text is not valid.
    """

    def __init__(self, name: str, expected: str, read: Callable[[str], Any]) -> None:
        self.name, self.expected, self.read = name, expected, read

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return the value."""
        if not isinstance(value, str):  # a default
            return value
        found = self.read(value)
        if found is None:
            self.fail(f"expected {self.expected}, got {value!r}.", param, ctx)
        return found


def _read_steps(text: str) -> int | str | None:
    if text == "auto":
        return text
    is_number = re.fullmatch("[0-9]+", text.strip())
    return int(text) if is_number and 1 <= int(text) <= MOST_STEPS else None


def _read_sides(text: str) -> tuple[int, ...] | None:
    sides = text.lower().replace("x", ",").split(",")
    are_valid = all(re.fullmatch(SIDE, side.strip()) for side in sides)
    return tuple(map(int, sides)) if are_valid else None


def _read_size(text: str) -> tuple[int, ...] | None:
    sides = _read_sides(text)
    return sides and {1: sides * 2, 2: sides}.get(len(sides))


def _read_shape(text: str) -> tuple[int, ...] | None:
    sides = _read_sides(text)
    return sides if sides and len(sides) in (2, 3) else None


def _read_names(text: str) -> tuple[str, ...] | None:
    names = tuple(name.strip() for name in text.split(","))
    return names if all(names) and len(set(names)) == len(names) else None


def _read_moves(text: str) -> str | tuple[str, ...] | None:
    if text in ("auto", "none"):
        return text
    names = _read_names(text)
    if names is None or not set(names) <= set(MOVES):
        return None
    return names if len(names) > 1 else names[0]


def _read_value(text: str) -> tuple[str, str] | None:
    name, _, value = text.partition("=")
    return (name, value) if name and value else None


def _read_shard(text: str) -> tuple[int, int] | None:
    i, _, n = text.partition("/")
    is_valid = i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)
    return (int(i), int(n)) if is_valid else None


STEPS = TextType(
    "number|auto", f"a whole number from 1 to {MOST_STEPS:,}, or auto", _read_steps
)
SIZE = TextType("pixels|HxW", "a size such as 64 or 48x64", _read_size)
SHAPE = TextType("H,W[,C]", "a shape such as 28,28 or 32,32,3", _read_shape)
NAMES = TextType("name[,name...]", "different names with commas between", _read_names)
MOVES_TYPE = TextType(
    "auto|none|name[,name...]", f"auto, none, or some of {','.join(MOVES)}", _read_moves
)
VALUE = TextType("name=value", "a value such as colour=red", _read_value)
SHARD = TextType("i/n", "a share such as 1/16 or 16/16", _read_shard)
