"""Checkpoints: the state of a training on disk, so that it resumes bit-identically.

A checkpoint is one .npz file of arrays, one of which holds JSON text; nothing in it is
executed. Files are written whole, the last two are kept, and damaged ones are skipped.
Each records the data, settings and versions of its run, and other runs are refused.
"""

import hashlib
import json
import os
import re
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, BinaryIO, Protocol, Self

import numpy as np

from balancegan.attributes import Labels
from balancegan.errors import CheckpointWarning, SavedModelError
from balancegan.files import READ_ERRORS, check_folder, clear_leftovers, whole_file
from balancegan.memory import release
from balancegan.versions import library_versions

LIBRARIES = ("balancegan", "tensorflow", "keras", "numpy")
KEPT = 2  # checkpoints
NAME = re.compile(r"step-(\d+)\.npz")
PARTIAL_NAME = re.compile(r"\.(step-\d+\.npz)\..+")
SEED = "seed"  # among the settings of a run
FACTS = "facts"  # the array that holds JSON
HASHED_AT_ONCE = 256  # images
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(eq=False)
class State:
    """The state of a part of training: what JSON can hold, and arrays."""

    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def write(self, file: BinaryIO) -> None:
        """Write the state as .npz."""
        text = json.dumps(self.facts, ensure_ascii=False, default=str).encode()
        facts = {FACTS: np.frombuffer(text, dtype=np.uint8)}
        np.savez(file, **facts, **self.arrays)  # type: ignore[arg-type]

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """Read a state; damaged files raise one of ``READ_ERRORS``."""
        with np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        facts = json.loads(found.pop(FACTS).tobytes())
        return cls(facts, found)


class Stateful(Protocol):
    """A part of training whose state is saved and restored."""

    def state(self) -> State:
        """Return the present state."""

    def restore(self, state: State) -> None:
        """Restore a former state."""


def join_states(parts: Mapping[str, Stateful]) -> State:
    """Return the states of all parts as one."""
    joined = State()
    for name, part in parts.items():
        state = part.state()
        joined.facts[name] = state.facts
        joined.arrays |= {f"{name}/{key}": a for key, a in state.arrays.items()}
    return joined


def restore_parts(parts: Mapping[str, Stateful], joined: State) -> None:
    """Restore each part from a state of :func:`join_states`."""
    for name, part in parts.items():
        start = f"{name}/"
        arrays = {
            key.removeprefix(start): array
            for key, array in joined.arrays.items()
            if key.startswith(start)
        }
        part.restore(State(joined.facts[name], arrays))


class CheckpointFolder:
    """The checkpoints of one training run.

    Creates the folder; raises SavedModelError if it cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        reason = check_folder(self.folder)
        if reason is None:
            try:
                self.folder.mkdir(exist_ok=True)
                reason = check_folder(self.folder / "checkpoint")
            except OSError as error:
                reason = error.strerror
        if reason is not None:
            raise SavedModelError(
                f"checkpoint_dir={str(folder)!r} cannot be used: {reason}."
            )

    @property
    def steps(self) -> list[int]:
        """The steps of the checkpoints, the last one first."""
        matches = (NAME.fullmatch(entry.name) for entry in self.folder.iterdir())
        return sorted((int(found[1]) for found in matches if found), reverse=True)

    def latest(self) -> State | None:
        """Return the last checkpoint that is not damaged, None if there are none.

        Warns of each damaged one (CheckpointWarning); raises SavedModelError if all
        are.
        """
        self._clear_leftovers()
        steps = self.steps
        for step in steps:
            try:
                return _read(self._path(step))
            except SavedModelError as error:
                warnings.warn(str(error), CheckpointWarning, stacklevel=2)
        if steps:
            raise SavedModelError(
                f"All checkpoints in {self.folder} are damaged. Remove them, and train "
                "from the start."
            )
        return None

    def seed(self) -> int | None:
        """Return the seed of the run that was saved, None if there is none."""
        found = self.latest()
        if found is None:
            return None
        settings = found.facts["run"].get("settings")
        seed = settings.get(SEED) if isinstance(settings, dict) else None
        return seed if isinstance(seed, int) else None

    def write(self, step: int, state: State) -> None:
        """Write a checkpoint, and remove all but the last two."""
        with whole_file(self._path(step)) as file:
            state.write(file)
        for old in self.steps[KEPT:]:
            self._path(old).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all checkpoints, and the folder if it holds nothing else."""
        for step in self.steps:
            self._path(step).unlink(missing_ok=True)
        self._clear_leftovers()
        with suppress(OSError):
            self.folder.rmdir()

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step}.npz"

    def _clear_leftovers(self) -> None:
        """Remove partial files of steps that may never be written again."""
        matches = (
            PARTIAL_NAME.fullmatch(entry.name) for entry in self.folder.iterdir()
        )
        for name in {found[1] for found in matches if found}:
            clear_leftovers(self.folder / name)


def _read(path: Path) -> State:
    try:
        with path.open("rb") as file:
            state = State.read(file)
        if not isinstance(state.facts, dict) or not isinstance(
            state.facts.get("run"), dict
        ):
            raise ValueError("it does not describe its run")
    except (OSError, *READ_ERRORS) as error:
        raise SavedModelError(
            f"The checkpoint {path} is damaged ({error}) and is ignored."
        ) from error
    return state


def describe_run(
    images: np.ndarray, labels: Labels, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what identifies a training run, to refuse checkpoints of another.

    `settings` are everything but the data that the model depends on, as JSON holds it.
    """
    digest = hashlib.sha256(repr((images.shape, str(images.dtype))).encode())
    for start in range(0, len(images), HASHED_AT_ONCE):
        part = np.ascontiguousarray(images[start : start + HASHED_AT_ONCE])
        digest.update(part.tobytes())
        release(images)
    for name, column in zip(labels.names, labels.columns, strict=True):
        digest.update(repr((name, column.tolist())).encode())
    run = {
        "data": f"{len(images)} images, {digest.hexdigest()}",
        "settings": dict(settings),
        "versions": library_versions(LIBRARIES),
    }
    described: dict[str, Any] = json.loads(json.dumps(run))  # as a checkpoint has it
    return described


def describe_builder(builder: Any) -> str | None:
    """Return what identifies a user's builder: its name, code, arguments and state.

    Functions that it calls count by name only.

    Examples
    --------
    >>> def build(shape, width=8): return width * 2
    >>> one, other = (describe_builder(partial(build, width=w)) for w in (8, 16))
    >>> one == other, one == describe_builder(partial(build, width=8))
    (False, True)
    """
    if builder is None:
        return None
    if isinstance(builder, partial):
        given = _describe_values([*builder.args, *builder.keywords.items()])
        return f"{describe_builder(builder.func)}({given})"
    name = getattr(builder, "__qualname__", type(builder).__qualname__)
    bound = builder if hasattr(builder, "__code__") else type(builder).__call__
    function = getattr(bound, "__func__", bound)
    if not isinstance(function, FunctionType):
        return str(name)
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    state = getattr(getattr(builder, "__self__", builder), "__dict__", {})
    values = [function.__defaults__, function.__kwdefaults__, *cells, *state.items()]
    code = f"{_describe_code(function.__code__)} {_describe_values(values)}"
    return f"{name}:{hashlib.sha256(code.encode()).hexdigest()[:12]}"


def _describe_code(code: CodeType) -> str:
    """Return the code of a function, independent of its file."""
    inner = [_describe_code(c) for c in code.co_consts if isinstance(c, CodeType)]
    values = _describe_values(c for c in code.co_consts if not isinstance(c, CodeType))
    return f"{code.co_code.hex()} {code.co_names} {values} {inner}"


def _describe_values(values: Iterable[Any]) -> str:
    """Return values as text that is the same in every process."""
    texts = [
        repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)
        for value in values
    ]
    return re.sub(r" at 0x[0-9a-f]+", "", ", ".join(texts))


def check_same_run(run: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Raise SavedModelError with the differences if a checkpoint is of another run.

    Examples
    --------
    >>> check_same_run({"data": "9 images", "settings": {}}, {"data": "9 images"})
    """
    differences = []
    if run["data"] != saved.get("data"):
        differences.append("the training data have changed")
    for kind in ("settings", "versions"):
        now, then = run.get(kind, {}), saved.get(kind) or {}
        differences += [
            f"{name} is {now.get(name)!r}, was {then.get(name)!r}"
            for name in sorted({*now, *then})
            if now.get(name) != then.get(name)
        ]
    if differences:
        raise SavedModelError(
            f"The checkpoints are of another training run: {'; '.join(differences)}. "
            "Resume with the same data, settings and versions, or use another folder."
        )


class DeferredSignals:
    """Defers Ctrl-C and SIGTERM during training until a checkpoint has been written.

    A context manager for programs; training itself installs no signal handlers. A
    second signal is not deferred. In other threads than the main one, which receive no
    signals, it does nothing.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self.deferring = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        _entered.append(self)
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                # Leave signals alone that are ignored, or handled outside Python
                if handler is not None and handler != signal.SIG_IGN:
                    self._handlers[number] = handler
                    signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        _entered.remove(self)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def deliver(self) -> None:
        """Handle the deferred signal, if there is one."""
        if self.pending is not None:
            number, self.pending = self.pending, None
            self._handle(number, None)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.deferring and self.pending is None:
            self.pending = number
        else:
            self._handle(number, frame)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        handler = self._handlers[number]
        if callable(handler):
            handler(number, frame)
        else:  # the system's default
            signal.signal(number, handler)
            os.kill(os.getpid(), number)


_entered: list[DeferredSignals] = []  # the innermost last


@contextmanager
def deferred_signals() -> Iterator[DeferredSignals]:
    """Give a training the program's deferred signals; deliver them at its end."""
    signals = _entered[-1] if _entered else DeferredSignals()
    try:
        yield signals
        signals.deliver()
    finally:
        signals.pending, signals.deferring = None, False
