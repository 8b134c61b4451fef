"""What commands print: tables and messages on stderr, one JSON object on stdout."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from balancegan.cli.card import SPLIT_AGAIN, SPLIT_FIRST, describe_added
from balancegan.cli.tasks import describe_format
from balancegan.data.inspection import Inspection
from balancegan.evaluation.checks import run_checks
from balancegan.evaluation.report import describe_counts, format_percent
from balancegan.evaluation.result import EvaluationResult
from balancegan.evaluation.verdicts import (
    NONE,
    describe_intervals,
    format_interval,
    format_points,
)
from balancegan.phases import PhaseTimes, format_seconds
from balancegan.quality.checks import Finding
from balancegan.quality.screening import GAN, REASONS

BAR_WIDTH = 30
SHOWN_VALUES = 50  # of a column
METHOD_COLUMNS = {  # broken: the table is to fit into 80 columns
    "gan": "gener-\nated",
    "recombined": "recom-\nbined",
    "copied": "copied",
}
NEW_IMAGES = ("gan", "recombined")
FIGURES = ("accepted", "agreement", "real_agreement", "diversity")
QUALITY_COLUMNS = ("accep-\nted", "recog-\nnised", "real", "variety")
QUALITY_LEGEND = (
    "accepted: of the generated images that were checked",
    "recognised: of the accepted ones, classified correctly",
    "real: the same of real images",
    "variety: compared with real images",
)
NARROW = 72  # columns of a terminal: below, some of these are left out


class Display:
    """Writes to stderr, or nowhere if `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)

    def say(self, text: str) -> None:
        """Write a line."""
        # Keep one message on one line in a file or a pipe
        wraps = not self.console.is_terminal
        self.console.print(text, markup=False, soft_wrap=wraps)

    def say_notes(self, notes: list[str]) -> None:
        """Write the decisions made while reading."""
        for note in notes:
            self.say(f"note: {note}")

    def show_inspection(
        self, inspection: Inspection, name: Callable[[Any], str]
    ) -> None:
        """Show the counts of classes, the imbalance ratio and the findings."""
        rows = [(name(label), n) for label, n in inspection.counts.items()]
        total = sum(inspection.counts.values())
        image_format = describe_format(inspection.image_format)
        self.say(f"{total} images, {image_format}, {len(inspection.counts)} classes")
        self._show_counts("class", rows)
        self.say(f"imbalance ratio: {inspection.imbalance_ratio:.1f}")
        self._show_findings(inspection.results)

    def show_values(self, column: str, counts: Mapping[Any, int]) -> None:
        """Show how many images have each value of a column."""
        rows = [
            ("missing" if value is None else str(value) or "blank", n)
            for value, n in counts.items()
        ]
        self._show_counts(column, rows[:SHOWN_VALUES])
        if len(rows) > SHOWN_VALUES:
            self.say(f"and {len(rows) - SHOWN_VALUES:,} other values")

    def _show_counts(self, title: str, rows: Sequence[tuple[str, int]]) -> None:
        """Show a bar for each count."""
        largest = max(n for _, n in rows)
        table = Table(box=None, pad_edge=False)
        table.add_column(Text(title))
        table.add_column("images", justify="right")
        table.add_column("")
        for name, n in rows:
            bar = "█" * max(1, round(BAR_WIDTH * n / largest))
            table.add_row(Text(name), str(n), bar)
        self.console.print(table)

    def _show_findings(self, findings: Sequence[Finding]) -> None:
        """Show a row for each issue and tip, and name the remaining checks."""
        table = Table.grid(padding=(0, 2))
        for finding in findings:
            if finding.outcome in ("issue", "tip"):
                message = Text.assemble((f"{finding.title}. ", "bold"), finding.message)
                table.add_row(finding.outcome, finding.code, message)
        if table.row_count:
            self.console.print(table)
        for finding in findings:
            if finding.outcome == "not run":
                title = f"{finding.title} ({finding.code})"
                self.say(f"not run: {title}. {finding.message}")
        for outcome in ("passed", "not applicable"):
            titles = [f"{f.title} ({f.code})" for f in findings if f.outcome == outcome]
            if titles:
                self.say(f"{outcome}: {', '.join(titles)}")

    def show_plan(
        self,
        counts: Mapping[Any, int],
        plan: Mapping[Any, int],
        name: Callable[[Any], str],
    ) -> None:
        """Show the numbers of real and synthetic images of each class."""
        table = Table("class", box=None, pad_edge=False)
        for column in ("real", "synthetic", "total"):
            table.add_column(column, justify="right")
        for label, n_new in plan.items():
            n = counts.get(label, 0)  # none of a combination that only the plan has
            row = (n, n_new, n + n_new)
            table.add_row(Text(name(label)), *map(str, row))
        before, new = sum(counts.values()), sum(plan.values())
        table.add_row("all", str(before), str(new), str(before + new), style="bold")
        self.console.print(table)

    def show_quality(
        self, rows: Sequence[Mapping[str, Any]], name: Callable[[Any], str]
    ) -> None:
        """Show how images of each class were made, and their quality."""
        methods = {
            method: column
            for method, column in METHOD_COLUMNS.items()
            if method == GAN or any(row[method] for row in rows)
        }
        is_checked = any(row.get("accepted") is not None for row in rows)
        if not is_checked and not any(
            row[method] for row in rows for method in NEW_IMAGES
        ):
            return
        # Fold long names, so that the table fits
        names = Column("class", overflow="fold", min_width=8)
        table = Table(names, box=None, pad_edge=False, padding=(0, 1, 0, 0))
        # Show the accepted share only in a narrow terminal
        n_figures = len(FIGURES) if self.console.width >= NARROW else 1
        figures = FIGURES[: n_figures if is_checked else 0]
        for column in (*methods.values(), *QUALITY_COLUMNS[: len(figures)]):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("mostly\nrejected as" if is_checked else "", overflow="fold")
        for row in rows:
            reason = row.get("reason")
            table.add_row(
                Text(name(row["class"])),
                *(str(row[method]) for method in methods),
                *(_percent(row.get(figure)) for figure in figures),
                f"{REASONS[reason].short} {_percent(row['reason_share'])}"
                if reason
                else "",
            )
        self.console.print(table)
        if is_checked:
            self.say("; ".join(QUALITY_LEGEND[:n_figures]))

    def say_estimate(
        self,
        facts: Mapping[str, Any],
        n_images: int,
        *,
        can_recombine: bool = False,
        finds_moves: bool = False,
    ) -> None:
        """Say what a run would cost."""
        if not n_images:
            self.say("nothing to add: no class is below its target")
        elif not facts["needs_gan"]:
            methods = "copies or recombined images" if can_recombine else "copies"
            moves = "; choosing the moves takes additional time" if finds_moves else ""
            self.say(
                f"no GAN would be trained: the {n_images:,} added images would be "
                f"{methods}{moves}"
            )
        else:
            self._say_training(facts, n_images)
        self.say("nothing was written")

    def _say_training(self, facts: Mapping[str, Any], n_images: int) -> None:
        memory = f"memory: about {format_bytes(facts['peak_memory_bytes'])}"
        steps, training = facts["steps"], facts["training_seconds"]
        if facts["is_least"]:
            self.say(
                f"would train {steps:,} steps in at least {format_seconds(training)}, "
                f"then check quality and generate up to {n_images:,} images; {memory}"
            )
            self.say(
                "a step is too slow here to be measured in 20 s: this is a lower bound "
                "from the time of the first step"
            )
            return
        self.say(
            f"would train {steps:,} steps in {_about(training)}, check quality in "
            f"{_about(facts['judging_seconds'])}, then make {n_images:,} images in "
            f"{_about(facts['synthesis_seconds'])}; {memory}"
        )
        self.say("times are rough: within a factor of 2 if nothing else runs")

    def say_duration(self, facts: Mapping[str, float], n_jobs: int) -> None:
        """Say how long a comparison would take."""
        training, classifying = facts["generator_seconds"], facts["classifier_seconds"]
        about = "at least" if facts.get("is_least") else "about"
        self.say(
            f"{facts['runs']} runs in {about} "
            f"{format_seconds((training + classifying) / n_jobs)}: generators "
            f"{format_seconds(training)}, classifiers {format_seconds(classifying)}"
            + (f", with {n_jobs} runs at the same time" if n_jobs > 1 else "")
        )

    def show_comparison(self, result: EvaluationResult) -> None:
        """Show a row for each method, the verdicts, and what the checks found."""
        table = Table(box=None, pad_edge=False)
        table.add_column("method", overflow="fold")
        of = "combinations" if result.has_combinations else "recall"
        few_shot = [name for name in result.shots if name == "few_shot"]
        titles = [f"few-shot {of}" for _ in few_shot]
        for column in (result.metric_name, "against none", *titles):
            table.add_column(column, justify="right")
        for method, row in result.summary().iterrows():
            points = format_points(row["difference"])
            interval = format_interval(row["low"], row["high"])
            table.add_row(
                str(method),
                f"{100 * row[result.metric]:.1f} %",
                "–" if method == NONE else f"{points} ({interval})",
                *(format_percent(row[name]) for name in few_shot),
            )
        self.console.print(table)
        for verdict in result.verdicts():
            self.say(verdict.sentence)
        for sentence in describe_counts(result):
            self.say(sentence)
        self.say(describe_intervals(result.settings["n_splits"]))
        for check in run_checks(result):
            is_said = check.code == "BG006"  # the verdict says it
            if check.outcome in ("issue", "tip") and not is_said:
                about = f"{check.method}: " if check.method else ""
                self.say(f"{check.outcome} {check.code}, {about}{check.message}")

    def show_balanced(
        self,
        out: Path,
        facts: Mapping[str, Any],
        name: Callable[[Any], str],
        *,
        n_real: int,
        has_test: bool,
    ) -> None:
        """Show what was written, its quality, and what to do with it."""
        if "added" not in facts:
            self.say("nothing to add: no class is below its target")
            self.say(f"wrote {out}")
            return
        if facts["moves"]["sentence"]:
            self.say(facts["moves"]["sentence"])
        self.show_quality(facts["quality"], name)
        memory = format_bytes(facts["peak_memory_bytes"])
        self.say(f"wrote {out} (seed {facts['seed']}, peak memory {memory})")
        self.say(describe_added(facts["added"], n_real))
        if not any(facts["plan"].values()):
            return
        if facts["files"]:
            self.say(_describe_files(facts["files"]))
        for finding in facts["findings"]:
            if finding["outcome"] in ("issue", "not run"):
                self.say(
                    f"{finding['outcome']} {finding['code']}: {finding['message']}"
                )
        advice = "test on its test part" if has_test else SPLIT_FIRST
        self.say(f"Do not split {out.name} again: {SPLIT_AGAIN}; {advice}")

    def warn_of_arrays(self, aligned_keys: list[str]) -> None:
        """Name the arrays that have no row for added images."""
        for key in aligned_keys:
            self.say(
                f"warning: {key} has rows for originals only, and none for added images"
            )


def _describe_files(methods: Sequence[Mapping[str, Any]]) -> str:
    """Return sizes and sharpness of added files, next to originals.

    Examples
    --------
    >>> sizes = {"smallest": [20, 30], "largest": [40, 60]}
    >>> original = {"method": "original", **sizes, "sharpness_ratio": None}
    >>> copied = {"method": "copied", **sizes, "sharpness_ratio": 0.998}
    >>> _describe_files([original, copied])
    'Files: original 20x30 to 40x60; copied 20x30 to 40x60, sharpness 1.00 of originals'
    """
    said = []
    for row in methods:
        ends = (row["smallest"], row["largest"])
        text = " to ".join(dict.fromkeys("x".join(map(str, sides)) for sides in ends))
        ratio = row["sharpness_ratio"]
        sharpness = "" if ratio is None else f", sharpness {ratio:.2f} of originals"
        said.append(f"{row['method']} {text}{sharpness}")
    return f"Files: {'; '.join(said)}"


def _about(seconds: float) -> str:
    whole = round(seconds)
    return f"about {format_seconds(seconds)}" if whole else "less than 1 s"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def format_bytes(n_bytes: int | None) -> str:
    """Return an amount of memory in words.

    Examples
    --------
    >>> format_bytes(1_300_000_000), format_bytes(None)
    ('1.30 GB', 'unknown')
    """
    return "unknown" if n_bytes is None else f"{n_bytes / 1e9:.2f} GB"


def echo_json(
    facts: Mapping[str, Any],
    times: PhaseTimes,
    *,
    notes: Iterable[str] = (),
    findings: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Print one object of strict JSON, with some keys that all commands have.

    Parameters
    ----------
    facts : mapping
        The command's own keys.
    times : PhaseTimes
        The duration of each phase: "seconds".
    notes, findings, default=()
        Decisions while reading, and results of checks. "warnings" are those shown.
    """
    seconds = {phase.lower(): round(taken, 1) for phase, taken in times.read().items()}
    common = {
        "notes": list(notes),
        "warnings": click.get_current_context().obj or [],
        "findings": list(findings),
        "seconds": seconds | {"all": round(sum(times.seconds.values()), 1)},
    }
    click.echo(json.dumps(as_json({**facts, **common}), allow_nan=False))


def as_json(value: Any) -> Any:
    """Return a value for strict JSON.

    NaN and infinity become null; a value unknown to JSON, such as a date, becomes text.

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
