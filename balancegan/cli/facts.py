"""What ``--json`` prints: one object of strict JSON, with the same keys everywhere.

Every command adds "notes" (what was decided while reading), "warnings", "findings"
(checks with codes) and "seconds" (what each phase took) to its own facts.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click
import numpy as np

from balancegan.phases import PhaseTimes
from balancegan.quality.screening import REASONS, describe_reason


def echo_json(
    facts: Mapping[str, Any],
    times: PhaseTimes,
    *,
    notes: Iterable[str] = (),
    findings: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Print the facts of a command, and what was said while it ran.

    Parameters
    ----------
    facts : mapping
        Own keys of the command.
    times : PhaseTimes
        What its phases took.
    notes, findings, default=()
        What was found. Warnings are those that the command has shown.
    """
    seconds = {phase.lower(): round(taken, 1) for phase, taken in times.read().items()}
    said = {
        "notes": list(notes),
        "warnings": click.get_current_context().obj or [],
        "findings": list(findings),
        "seconds": seconds | {"all": round(sum(times.seconds.values()), 1)},
    }
    click.echo(json.dumps(as_json({**facts, **said}), allow_nan=False))


def as_json(value: Any) -> Any:
    """Return a value as strict JSON has it.

    NaN and infinity become null; what JSON does not know, a date say, becomes text.

    Examples
    --------
    >>> as_json({"a": (1, float("nan")), 2: np.float32(0.5), 3: np.datetime64("2026")})
    {'a': [1, None], '2': 0.5, '3': '2026'}
    """
    if isinstance(value, Mapping):
        return {str(key): as_json(own) for key, own in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(own) for own in value]
    if isinstance(value, np.generic):
        is_known = value.dtype.kind in "biuf"
        return as_json(value.item()) if is_known else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def find_faults(
    quality: Sequence[Mapping[str, Any]], name: Callable[[Any], str]
) -> list[dict[str, Any]]:
    """Return a finding for each class whose generated images were mostly rejected.

    Parameters
    ----------
    quality : sequence of mapping
        Rows of :func:`balancegan.samplers.summary.summarize`.
    name : callable
        From a class to what people call it.
    """
    return [
        {
            "code": REASONS[row["fault"]].code,
            "title": REASONS[row["fault"]].images.capitalize(),
            "outcome": "issue" if row["gan"] else "tip",
            "class": name(row["class"]),
            "share": row["fault_share"],
            "message": f"{describe_reason(row)}: {100 * row['fault_share']:.0f} %",
        }
        for row in quality
        if row.get("fault") in REASONS
    ]
