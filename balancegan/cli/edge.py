"""Where the commands meet the user: bad input, failures, start-up, reading.

Every command is run by :class:`CommandGroup`, which decides how it exits.
"""

import json
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from balancegan.cli.option_types import OutputType
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

if TYPE_CHECKING:
    from balancegan.data.holdout import Holdout
    from balancegan.data.labelled import LabelledImages
    from balancegan.images import ImageFormat

OURS = (
    CheckpointWarning,
    SimplerMethodWarning,
    TrainingWarning,
    UnseenCombinationWarning,
)
# In the meta of a context
TRACEBACK, AS_JSON = "balancegan.traceback", "balancegan.json"
PATH = click.Path(path_type=Path)
OUTPUT = OutputType(path_type=Path)
# Of TensorFlow, imported and started: resident memory, and addresses beyond that
TENSORFLOW_BYTES, TENSORFLOW_ADDRESSES = 500_000_000, 900_000_000
NOT_MAPPED = "failed to map segment"  # what glibc says of a library without memory


class InputRefused(click.ClickException):
    """Bad input: one line on stderr, exit code 2."""

    exit_code = 2


class Terminated(KeyboardInterrupt):
    """The process was told to end (SIGTERM), as politely as by Ctrl-C."""

    exit_code = 128 + signal.SIGTERM


def traceback_option(*, hidden: bool) -> click.Option:
    """Return the option that lets errors show where they come from."""
    return click.Option(
        ["--traceback"],
        is_flag=True,
        expose_value=False,
        hidden=hidden,
        envvar=None if hidden else "BALANCEGAN_TRACEBACK",
        show_envvar=True,
        callback=_note_traceback,
        help="Show where an error comes from, not only what it says.",
    )


def _note_traceback(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[TRACEBACK] = value or ctx.meta.get(TRACEBACK, False)


class CommandGroup(click.Group):
    """Turns every failure into one line and an exit code.

    --traceback may stand before a command or after it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(traceback_option(hidden=False))

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command that knows the option, too."""
        cmd.params.append(traceback_option(hidden=True))
        super().add_command(cmd, name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note whether JSON is wanted, which a wrong option leaves unsaid."""
        ctx.meta[AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            ctx.obj = []  # the warnings that were shown
            with warnings_as_lines(ctx.obj), ending_when_told():
                return super().invoke(ctx)
        except (click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise  # a reader such as head that has enough is no failure
        except KeyboardInterrupt as error:
            notes = getattr(error, "__notes__", ["Nothing unfinished is left behind."])
            code = error.exit_code if isinstance(error, Terminated) else 130
            said = f"Interrupted. {' '.join(notes)}"
            click.echo(err=True)
            from balancegan.progress import say_line

            say_line(said)
            _echo_failure(ctx, said, code)
            ctx.exit(code)
        except Exception as error:
            is_usage = isinstance(error, click.UsageError)
            if ctx.meta.get(TRACEBACK) and not is_usage:
                click.echo(traceback.format_exc(), err=True)
            if isinstance(error, click.ClickException):
                _echo_failure(ctx, error.format_message(), error.exit_code)
                raise
            failure = _failure(error)
            _echo_failure(ctx, failure.format_message(), failure.exit_code)
            raise failure from error


def _echo_failure(ctx: click.Context, message: str, exit_code: int) -> None:
    """Print with --json what a command failed with, in place of its facts."""
    if not ctx.meta[AS_JSON]:
        return
    said = {"error": message, "exit_code": exit_code, "warnings": ctx.obj}
    with suppress(OSError):  # stdout may be what has failed
        click.echo(json.dumps(said))


def _failure(error: Exception) -> click.ClickException:
    """Return what says in one line that a command failed, and how."""
    if isinstance(error, DataError | SavedModelError):
        return InputRefused(_one_line(error))
    if isinstance(error, TrainingFailed | OSError | MemoryError):
        notes = getattr(error, "__notes__", [])
        return click.ClickException(
            " ".join([_one_line(error) or _out_of_memory(), *notes])
        )
    if isinstance(error, ImportError) and NOT_MAPPED in str(error):
        return click.ClickException(_out_of_memory())
    reason = str(error).strip().partition("\n")[0]
    return click.ClickException(
        f"Unexpected {type(error).__name__}: {reason or 'no message'}. This may be a "
        "bug in balancegan: --traceback shows where it comes from."
    )


@contextmanager
def ending_when_told() -> Iterator[None]:
    """Let SIGTERM be an exception, so that what is begun is cleared away."""

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
    """Let our warnings be lines, without the place in the code that they come from.

    They are added to `shown`, too.
    """
    show = warnings.showwarning

    def say(message: Warning | str, category: type[Warning], *place: Any) -> None:
        """Show a warning: a line if it is about the user's data, else as before."""
        if issubclass(category, OURS):
            from balancegan.progress import say_line

            shown.append(_one_line(message))
            say_line(f"warning: {shown[-1]}")
        else:
            show(message, category, *place)

    with warnings.catch_warnings():
        warnings.showwarning = say  # type: ignore[assignment]
        yield


def start_tensorflow(*, joins_others: bool = False) -> None:
    """Import TensorFlow without its start-up noise, which ignores all settings.

    Parameters
    ----------
    joins_others : bool, default=False
        Whether this process will train with others, which it must join before its
        devices are started.

    Raises
    ------
    MemoryError
        If there is not enough memory for it.
    """
    if "tensorflow" not in sys.modules:
        check_available("TensorFlow", TENSORFLOW_BYTES, TENSORFLOW_ADDRESSES)
    keep_freed_memory()
    # Of networks that are compiled one after the other, which is meant
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as noise:
        stderr = os.dup(2)
        os.dup2(noise.fileno(), 2)
        try:
            import keras

            if not joins_others:
                keras.ops.zeros(())  # starts the devices, with more noise
        except Exception:
            os.dup2(stderr, 2)
            noise.seek(0)
            click.echo(noise.read().decode(errors="replace"), err=True)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def load_tensorflow(*, quiet: bool, joins_others: bool = False) -> None:
    """Start TensorFlow, say so, and book the time.

    Progress is not drawn meanwhile: what goes to stderr is taken for noise.
    """
    from balancegan.phases import spending

    is_said = not quiet and "tensorflow" not in sys.modules
    at_terminal = sys.stderr.isatty()
    if is_said:
        click.echo("Starting TensorFlow", nl=not at_terminal, err=True)
    with spending("Starting TensorFlow"):
        start_tensorflow(joins_others=joins_others)
    if is_said and at_terminal:
        click.echo("\r\x1b[K", nl=False, err=True)


def read_data(
    path: Path,
    value_range: tuple[float, float] | None,
    *,
    may_be_dim: bool = False,
    holdout: "Holdout | None" = None,
    **how: Any,
) -> "tuple[LabelledImages, ImageFormat]":
    """Return labelled images, and the format of the training part.

    `how` is what `read_images` takes, `holdout` the test part to set aside, if any. For
    `may_be_dim` see :func:`balancegan.images.find_format`.
    """
    from balancegan.data.reading import read_images
    from balancegan.images import find_format

    labelled = read_images(path, value_range=value_range, **how)
    if holdout is not None:
        from balancegan.data.holdout import hold_out

        labelled = hold_out(labelled, holdout, value_range)
    value_range = labelled.pixel_range(value_range)
    return labelled, find_format(
        labelled.images, labelled.image_shape, value_range, may_be_dim=may_be_dim
    )


def refuse_idle_settings() -> None:
    """Refuse settings of a sampler that others of the command leave without effect."""
    said = click.get_current_context().params
    if said["gan_share"] == 1:
        refuse_given(
            ("moves",),
            "With --gan-share 1 no image is copied, so these options have no effect",
            "choose a smaller --gan-share",
        )
    if not said["reject"]:
        refuse_given(
            ("best_of",),
            "With --no-reject no image is looked at, so these options have no effect",
            "leave out --no-reject",
        )


def refuse_given(parameters: Sequence[str], why: str, or_else: str) -> None:
    """Refuse options if they stand on the command line."""
    ctx = click.get_current_context()
    given = []
    for option in ctx.command.params:
        name = str(option.name)
        source = ctx.get_parameter_source(name)
        if name in parameters and source is ParameterSource.COMMANDLINE:
            is_off = ctx.params[name] is False and option.secondary_opts
            given.append((option.secondary_opts if is_off else option.opts)[0])
    if given:
        raise InputRefused(f"{why}: {', '.join(given)}. Leave them out, or {or_else}.")


def _out_of_memory() -> str:
    left = available_bytes()
    there = "" if left is None else f", and {left:,} bytes are left to this process"
    return f"Memory ran out{there}. Raise its limit, or end other programs."


def _one_line(error: BaseException | str) -> str:
    return " ".join(str(error).split())
