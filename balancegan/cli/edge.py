"""How commands start and end: exit codes, error messages, signals, TensorFlow."""

import json
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from balancegan.cli.command import InputRefused
from balancegan.errors import (
    CheckpointWarning,
    DataError,
    SavedModelError,
    SimplerMethodWarning,
    TrainingFailed,
    TrainingWarning,
    UnseenCombinationWarning,
)
from balancegan.memory import available_bytes, check_available, keep_freed_memory

SHOWN_WARNINGS = (
    CheckpointWarning,
    SimplerMethodWarning,
    TrainingWarning,
    UnseenCombinationWarning,
)
TRACEBACK, AS_JSON = "balancegan.traceback", "balancegan.json"  # keys of ctx.meta
# Needs of TensorFlow, imported and started: resident memory, and further addresses
TENSORFLOW_BYTES, TENSORFLOW_ADDRESSES = 500_000_000, 900_000_000
NOT_MAPPED = "failed to map segment"  # glibc's message if a library lacks memory
INTERRUPTED = 130  # exit code after Ctrl-C


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM; handled as Ctrl-C is."""

    exit_code = 128 + signal.SIGTERM


class CommandGroup(click.Group):
    """Turns every failure into one line and an exit code.

    --traceback may stand before or after the name of a command.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_traceback_option(hidden=False))

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, with the option --traceback."""
        cmd.params.append(_traceback_option(hidden=True))
        super().add_command(cmd, name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note whether JSON is wanted, before any option can be wrong."""
        ctx.meta[AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            ctx.obj = []  # the warnings shown
            with warnings_as_lines(ctx.obj), interrupting_on_sigterm():
                return super().invoke(ctx)
        except (click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise  # a reader such as head that has read enough is no failure
        except KeyboardInterrupt as error:
            _end_interrupted(ctx, error)
        except Exception as error:
            is_usage = isinstance(error, click.UsageError)
            if ctx.meta.get(TRACEBACK) and not is_usage:
                click.echo(traceback.format_exc(), err=True)
            failure = _describe_failure(error)
            _echo_failure(ctx, failure.format_message(), failure.exit_code)
            if failure is error:
                raise
            raise failure from error


def _traceback_option(*, hidden: bool) -> click.Option:
    def note(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.meta[TRACEBACK] = value or ctx.meta.get(TRACEBACK, False)

    return click.Option(
        ["--traceback"],
        is_flag=True,
        expose_value=False,
        hidden=hidden,
        envvar=None if hidden else "BALANCEGAN_TRACEBACK",
        show_envvar=True,
        callback=note,
        help="Show the traceback of an error.",
    )


def _end_interrupted(ctx: click.Context, error: KeyboardInterrupt) -> None:
    """Say what an interruption leaves behind, and exit."""
    from balancegan.progress import say_line

    notes = getattr(error, "__notes__", ["Nothing unfinished is left behind."])
    code = error.exit_code if isinstance(error, Terminated) else INTERRUPTED
    message = f"Interrupted. {' '.join(notes)}"
    click.echo(err=True)
    say_line(message)
    _echo_failure(ctx, message, code)
    ctx.exit(code)


def _echo_failure(ctx: click.Context, message: str, exit_code: int) -> None:
    """With --json, print the failure in place of the facts."""
    if not ctx.meta[AS_JSON]:
        return
    facts = {"error": message, "exit_code": exit_code, "warnings": ctx.obj}
    with suppress(OSError):  # stdout may be what has failed
        click.echo(json.dumps(facts))


def _describe_failure(error: Exception) -> click.ClickException:
    """Return one line about the failure of a command, with an exit code."""
    if isinstance(error, click.ClickException):
        return error
    if isinstance(error, DataError | SavedModelError):
        return InputRefused(_one_line(error))
    if isinstance(error, TrainingFailed | OSError | MemoryError):
        notes = getattr(error, "__notes__", [])
        message = _one_line(error) or _describe_memory()
        return click.ClickException(" ".join([message, *notes]))
    if isinstance(error, ImportError) and NOT_MAPPED in str(error):
        return click.ClickException(_describe_memory())
    reason = str(error).strip().partition("\n")[0]
    return click.ClickException(
        f"Unexpected {type(error).__name__}: {reason or 'no message'}. This may be a "
        "bug in balancegan: --traceback shows where it comes from."
    )


def _describe_memory() -> str:
    left = available_bytes()
    shown = "" if left is None else f", and {left:,} bytes are left to this process"
    return f"Memory ran out{shown}. Raise its limit, or end other programs."


def _one_line(error: BaseException | str) -> str:
    return " ".join(str(error).split())


@contextmanager
def interrupting_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that unfinished output is removed."""

    def end(*_: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def warnings_as_lines(shown: list[str]) -> Iterator[None]:
    """Show our warnings as one line each, and append them to `shown`."""
    show_before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        """Show a warning: as a line if it is ours."""
        if issubclass(category, SHOWN_WARNINGS):
            from balancegan.progress import say_line

            shown.append(_one_line(message))
            say_line(f"warning: {shown[-1]}")
        else:
            show_before(message, category, *place)

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def start_tensorflow(*, joins_workers: bool = False) -> None:
    """Import TensorFlow without its start-up messages, which ignore all settings.

    Parameters
    ----------
    joins_workers : bool, default=False
        Whether this process will train with others. It must join them before its
        devices are started.

    Raises
    ------
    MemoryError
        If there is not enough memory for TensorFlow.
    """
    if "tensorflow" not in sys.modules:
        check_available("TensorFlow", TENSORFLOW_BYTES, TENSORFLOW_ADDRESSES)
    keep_freed_memory()
    # Hide warnings about compiling one network after another, which is intended
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as messages:
        stderr = os.dup(2)
        os.dup2(messages.fileno(), 2)
        try:
            import keras

            if not joins_workers:
                keras.ops.zeros(())  # starts the devices, with more messages
        except Exception:
            os.dup2(stderr, 2)
            messages.seek(0)
            click.echo(messages.read().decode(errors="replace"), err=True)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def load_tensorflow(*, quiet: bool, joins_workers: bool = False) -> None:
    """Start TensorFlow, with a message, and record the time.

    No progress is drawn meanwhile, because stderr is redirected.
    """
    from balancegan.phases import spending

    is_said = not quiet and "tensorflow" not in sys.modules
    at_terminal = sys.stderr.isatty()
    if is_said:
        click.echo("Starting TensorFlow", nl=not at_terminal, err=True)
    with spending("Starting TensorFlow"):
        start_tensorflow(joins_workers=joins_workers)
    if is_said and at_terminal:
        click.echo("\r\x1b[K", nl=False, err=True)
