"""What options take: texts at the command line to plain values, or a usage error."""

import math
import os
import re
from pathlib import Path
from typing import Any

import click

SIDE = "[1-9][0-9]{0,3}"  # of an image, in pixels
# Those of `gan.presets` and `synthesis.moved`, whose imports would slow down --help
MOST_STEPS = 10**9
MOVES = ("shift", "mirror", "half-turn", "quarter-turn")


class StepsType(click.ParamType):
    """A number of steps, or "auto"."""

    name = "number|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number, or "auto"."""
        if value == "auto":
            return "auto"
        if isinstance(value, str) and not re.fullmatch("[+-]?[0-9]+", value.strip()):
            self.fail(f"{value!r} is not a whole number or 'auto'.", param, ctx)
        return click.IntRange(1, MOST_STEPS).convert(value, param, ctx)


class IntegerType(click.IntRange):
    """An integer in a range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the integer."""
        return int(super().convert(click.INT.convert(value, param, ctx), param, ctx))


class NumberType(click.FloatRange):
    """A number in a range, which infinity and what is no number are not in."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(click.FLOAT.convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return float(super().convert(number, param, ctx))


class OutputType(click.Path):
    """A file or folder to write, which has a name of its own."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.name in ("", ".."):
            self.fail(f"{str(value)!r} is no name of a file or folder.", param, ctx)
        return path


class SizeType(click.ParamType):
    """A number of pixels, or height and width such as 48x64."""

    name = "pixels|HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return height and width."""
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        if len(sides) > 2 or not all(re.fullmatch(SIDE, side) for side in sides):
            self.fail(f"{value!r} is no size such as 64 or 48x64.", param, ctx)
        return int(sides[0]), int(sides[-1])


class ShapeType(click.ParamType):
    """Height and width of an image, and channels where there are several."""

    name = "H,W[,C]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the sides."""
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().replace("x", ",").split(",")
        if len(sides) not in (2, 3) or not all(re.fullmatch(SIDE, s) for s in sides):
            self.fail(f"{value!r} is no shape such as 28,28 or 32,32,3.", param, ctx)
        return tuple(map(int, sides))


class NamesType(click.ParamType):
    """Names with commas between."""

    name = "name[,name...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        if not all(names) or len(set(names)) < len(names):
            self.fail(
                f"{value!r} is no list of names such as digit,colour.", param, ctx
            )
        return names


class MovesType(NamesType):
    """How copies may be moved: "auto", "none", or names with commas between."""

    name = "auto|none|name[,name...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return "auto", "none", a name, or several."""
        if value in ("auto", "none"):
            return value
        names = super().convert(value, param, ctx)
        if not set(names) <= set(MOVES):
            known = f"auto, none, or some of {', '.join(MOVES)} with commas between"
            self.fail(f"{value!r} is not {known}.", param, ctx)
        return names if len(names) > 1 else names[0]


class ValueType(click.ParamType):
    """The value of an attribute, as in colour=red."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return name and value."""
        if isinstance(value, tuple):
            return value
        name, _, text = str(value).partition("=")
        if not name or not text:
            self.fail(f"{value!r} is no value such as colour=red.", param, ctx)
        return name, text


class ShardType(click.ParamType):
    """One of several equal shares, as in 3/16: the third of sixteen."""

    name = "i/n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return which share, from 1, and of how many."""
        if isinstance(value, tuple):
            return value
        i, _, n = str(value).partition("/")
        if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
            self.fail(f"{value!r} is no share such as 1/16 or 16/16.", param, ctx)
        return int(i), int(n)
