"""Ctrl-C and SIGTERM wait until a step is done and written down.

Python delivers a signal between any two lines; in training that would be in the middle
of what belongs together.
"""

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Holds signals back, from `hold` on, until they are asked for or the block ends.

    A context manager. A second signal is not held back. In other threads than the main
    one, which gets no signals, it does nothing.

    Examples
    --------
    >>> with Interrupts() as interrupts:
    ...     interrupts.hold()
    ...     interrupts.pending is None
    True
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self._holds = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                # Ignored, or handled outside Python: not ours to change
                if before is not None and before != signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        if kind is None:
            self.deliver()

    def hold(self) -> None:
        """Hold signals back from now on."""
        self._holds = True

    def deliver(self) -> None:
        """Let the signal that was held back, if there is one, do what it does."""
        if self.pending is not None:
            number, self.pending = self.pending, None
            self._pass_on(number, None)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._holds and self.pending is None:
            self.pending = number
        else:
            self._pass_on(number, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        before = self._before[number]
        if callable(before):
            before(number, frame)
        else:  # what the system does
            signal.signal(number, before)
            os.kill(os.getpid(), number)
