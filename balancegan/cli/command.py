"""A click command with options under headings, a settings file and examples."""

import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from balancegan.errors import DataError

OUTPUT, CLASSES, DATA = "Output", "Classes and amounts", "Data"
TRAINING, EVALUATION, GENERAL = "Training", "Evaluation", "General"
IMAGES = "Images"
HEADINGS = (OUTPUT, IMAGES, CLASSES, EVALUATION, DATA, TRAINING, GENERAL)
SETTINGS = "Keys of --config without an option"
UNSET = {"config", "help", "traceback"}  # cannot be set by --config


class InputRefused(click.ClickException):
    """Bad input: one line on stderr, exit code 2."""

    exit_code = 2


class Option(click.Option):
    """An option under a heading of the help."""

    def __init__(self, *args: Any, heading: str = GENERAL, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading

    @property
    def key(self) -> str:
        """The name in the file of --config."""
        return max(self.opts, key=len).lstrip("-")


class Setting(Option):
    """A parameter that only the file of --config takes."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Take no option at the command line."""

    def get_error_hint(self, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Name the key, not an option."""
        return f"'{self.key}' (in the file of --config)"


class Command(click.Command):
    """A command with options under headings, settings and examples.

    Parameters
    ----------
    examples : sequence of str, default=()
        Command lines, shown at the end of the help.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; tell users who give a setting as an option where it belongs."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            keys = [p.key for p in self.params if isinstance(p, Setting)]
            key = error.option_name.lstrip("-").removeprefix("no-")
            if key not in keys:
                raise
            raise click.UsageError(
                f"{error.option_name} is not an option: set {key} in a TOML file, and "
                "name the file by --config."
            ) from error

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the options under their headings, then the settings."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Argument):
                continue
            if isinstance(param, Setting):
                sections.setdefault(SETTINGS, []).append((param.key, param.help or ""))
            elif (record := param.get_help_record(ctx)) is not None:
                heading = getattr(param, "heading", GENERAL)
                sections.setdefault(heading, []).append(record)
        for heading in (*HEADINGS, SETTINGS):
            if heading in sections:
                with formatter.section(heading):
                    formatter.write_dl(sections[heading])

    def format_epilog(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def read_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Let the keys of a TOML file be the defaults of a command.

    Raises
    ------
    DataError
        If the file cannot be read, or holds an unknown key or an unusable value.
    """
    if path is None:
        return
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError: no TOML, no UTF-8
        raise DataError(f"{path} cannot be read as TOML: {error}.") from error
    known = {
        param.key: param
        for param in ctx.command.params
        if isinstance(param, Option) and param.key not in UNSET
    }
    values = {}
    for name, value in keys.items():
        key = name.replace("_", "-")
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise DataError(
                f"{path} has the key {name}, which {ctx.command.name} does not have."
                f"{hint} Its keys: {', '.join(sorted(known))}."
            )
        values[str(known[key].name)] = _read_value(path, known[key], value)
    ctx.default_map = values


def _read_value(path: Path, param: Option, value: Any) -> Any:
    """Return a TOML value as texts, as the command line would give it."""
    if isinstance(value, dict) and param.multiple:  # classes and their counts
        value = [f"{name}={count}" for name, count in value.items()]
    values = value if isinstance(value, list) else [value]
    if param.is_flag or not all(type(one) in (str, int, float) for one in values):
        if param.is_flag and isinstance(value, bool):
            return value
        expected = "true or false" if param.is_flag else "a text, number or list"
        raise DataError(f"{path}: {param.key} is {expected}. Received: {value!r}.")
    texts = [str(one) for one in values]
    return texts if param.multiple or param.nargs > 1 else ",".join(texts)
