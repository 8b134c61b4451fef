"""Progress on stderr: named phases, and the seconds that each took.

On a terminal a phase is one line that changes and leaves nothing behind. Elsewhere (a
log, a pipe) each phase is a line when it begins, and one more every minute.
"""

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from balancegan.phases import format_seconds, present_times

SECONDS_BETWEEN_LINES = 60.0
# Of steady progress, before the time left is estimated
FEWEST_UPDATES, FEWEST_SECONDS = 3, 3.0
SHORTEST_BAR, LONGEST_BAR = 8, 30  # columns
GAP = "  "


class TimeLeft:
    """Estimates the time left where units of several kinds take different times.

    Parameters
    ----------
    kinds : iterable of str
        The kind of every unit.
    n_workers : int
        Units done in parallel.

    Examples
    --------
    >>> left = TimeLeft(["slow", "quick", "quick", "slow"], n_workers=1)
    >>> left.note("quick", 1.0)
    >>> left.seconds() is None
    True
    >>> left.note("slow", 60.0)
    >>> left.seconds()
    61.0
    """

    def __init__(self, kinds: Iterable[str], n_workers: int) -> None:
        self.left, self.n_workers = Counter(kinds), n_workers
        self.took: defaultdict[str, list[float]] = defaultdict(list)

    def note(self, kind: str, seconds: float) -> None:
        """Note that a unit is done; 0 seconds are ignored in the estimate."""
        self.left[kind] -= 1
        if seconds:
            self.took[kind].append(seconds)

    def seconds(self) -> float | None:
        """Return the seconds left, None while no unit of some kind is done."""
        waiting = +self.left
        if set(waiting) - set(self.took):
            return None
        means = {kind: sum(s) / len(s) for kind, s in self.took.items()}
        return sum(n * means[kind] for kind, n in waiting.items()) / self.n_workers


class ProgressDisplay:
    """Displays one phase after the other. A context manager.

    Parameters
    ----------
    visible : bool
        Whether anything is displayed. Times are recorded in any case.
    time_left : TimeLeft or None, default=None
        Estimates the time left. None: it is estimated from steady progress.
    books_time : bool, default=True
        Whether the time of the phases is recorded.
    says_end : bool, default=False
        Whether the line of a log is written after the phase has ended without an error.
    clock : callable
        Seconds.

    Attributes
    ----------
    is_most : bool
        Whether the total is a limit, and the phase may end before.
    """

    def __init__(
        self,
        *,
        visible: bool,
        time_left: TimeLeft | None = None,
        books_time: bool = True,
        says_end: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console, self.visible = Console(stderr=True), visible
        self.says_end = says_end
        self.time_left, self.clock = time_left, clock
        self.times = present_times() if books_time else None
        self.phase, self.frames = "", itertools.cycle("-\\|/")
        self.live: Live | None = None
        if visible and self.console.is_terminal and not self.console.is_dumb_terminal:
            self.live = Live(
                console=self.console,
                get_renderable=self._render,
                transient=True,
                redirect_stdout=False,
            )

    def __enter__(self) -> Self:
        if self.live is not None:
            if _shown and (outer := _shown[-1].live) is not None:
                outer.stop()
            _shown.append(self)
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.visible and self.live is None and self.says_end and error[0] is None:
            self.console.out(self._describe_beginning(), highlight=False)
        self._end()
        if self.live is not None:
            self.live.stop()
            is_innermost = _shown[-1] is self
            _shown.remove(self)
            if is_innermost and _shown and (outer := _shown[-1].live) is not None:
                outer.start()

    def begin(
        self,
        phase: str,
        total: int | None = None,
        unit: str = "",
        *,
        done: int = 0,
        seconds: float | None = None,
    ) -> None:
        """Begin a phase and end the one before.

        Parameters
        ----------
        phase : str
            A key of ``PAST``.
        total : int or None, default=None
            Number of units of work. None: unknown.
        unit : str, default=""
            Plural name of a unit.
        done : int, default=0
            Units that were done before.
        seconds : float or None, default=None
            Maximum duration of the phase. None: no limit.
        """
        self._end()
        self.total, self.unit, self.done = total, unit, done
        self.is_most, self.note = False, ""
        self.began = self.last_line = self.updated = self.clock()
        self.ends = None if seconds is None else self.began + seconds
        self.first: tuple[float, int] | None = None
        self.n_updates, self.left = 0, self._estimate(self.began)
        self.phase = phase  # another thread draws it from now on
        if self.times is not None:
            self.times.begin(phase)
        if self.live is not None:
            self.live.refresh()
        elif self.visible and not self.says_end:
            self.console.out(self._describe_beginning(), highlight=False)

    def update(
        self,
        done: int,
        note: str = "",
        *,
        total: int | None = None,
        seconds_left: float | None = None,
    ) -> None:
        """Display that `done` units are done, of all or of a new `total`."""
        now = self.clock()
        self.done, self.note, self.total = done, note, total or self.total
        if seconds_left is not None:
            self.ends = now + seconds_left
        if self.first is None:
            self.first = now, done  # earlier work may be slower: it compiles
        else:
            self.n_updates += 1
        self.updated, self.left = now, self._estimate(now)
        due = now - self.last_line >= SECONDS_BETWEEN_LINES
        if self.visible and self.live is None and due:
            self.console.out(self.describe(now), highlight=False)
            self.last_line = now

    def say(self, line: str | None) -> None:
        """Print a line that stays, above the phase; nothing if it is None."""
        if line is not None and self.visible:
            self.console.print(
                line, highlight=False, markup=False, soft_wrap=self.live is None
            )

    def describe(self, now: float) -> str:
        """Return the progress of the phase as a line of a log."""
        parts = (f"{self.phase}: {self._count()}", self._left_at(now))
        return ", ".join(filter(None, parts))

    def line(self, now: float, width: int) -> str:
        """Return the phase as a line of at most `width`; the rest is left out."""
        elapsed, left = format_seconds(now - self.began), self._left_at(now)
        timed = ", ".join(filter(None, [elapsed, left]))
        count = self._count()
        for pieces in ([count, timed], [count, left or elapsed], [count], []):
            told = [piece for piece in pieces if piece]
            room = width - len(GAP.join([self.phase, *told]))
            if room >= 0:
                break
        share = self._share(now)
        if share is not None and room >= SHORTEST_BAR + len(GAP):
            length = min(LONGEST_BAR, room - len(GAP))
            full = round(share * length)
            told.insert(0, "#" * full + "." * (length - full))
            room -= length + len(GAP)
        if self.note and room >= len(GAP + self.note):
            told.append(self.note)
        return GAP.join([self.phase, *told])[:width]

    def _render(self) -> Text:
        if not self.phase:
            return Text("")
        line = self.line(self.clock(), self.console.width - 3)
        return Text(f"{next(self.frames)} {line}", no_wrap=True, overflow="crop")

    def _describe_beginning(self) -> str:
        parts = [f"{self.total:,} {self.unit}" if self.total else ""]
        parts.append(f"{self.done:,} of them done" if self.done else "")
        if self.ends is not None:
            parts.append(f"for at most {format_seconds(self.ends - self.began)}")
        return ": ".join(filter(None, [self.phase, ", ".join(filter(None, parts))]))

    def _count(self) -> str:
        if self.total is None:
            return f"{self.done:,} {self.unit}" if self.unit else ""
        most = "at most " if self.is_most else ""
        return f"{self.done:,} of {most}{self.total:,} {self.unit}"

    def _share(self, now: float) -> float | None:
        """Return the share of the phase that is over, None if unknown."""
        shares = [self.done / self.total] if self.total else []
        if self.ends is not None:
            shares.append((now - self.began) / max(self.ends - self.began, 1e-9))
        return min(1.0, max(shares)) if shares else None

    def _estimate(self, now: float) -> float | None:
        """Return the seconds left, estimated from progress; None if it is too early."""
        if self.time_left is not None:
            return self.time_left.seconds()
        if self.first is None or self.total is None or self.is_most:
            return None
        since, before = self.first
        seconds, units = now - since, self.done - before
        is_steady = self.n_updates >= FEWEST_UPDATES and seconds >= FEWEST_SECONDS
        return (
            (self.total - self.done) * seconds / units if is_steady and units else None
        )

    def _left_at(self, now: float) -> str:
        """Return the time left in words, "" if it is unknown or below a second."""
        limit = None if self.ends is None else self.ends - now
        left = None if self.left is None else self.left - (now - self.updated)
        if left is not None and left >= 1 and (limit is None or left < limit):
            return f"about {format_seconds(left)} left"
        if limit is not None and limit >= 1 and (left is None or left >= 1):
            return f"at most {format_seconds(limit)} left"
        return ""

    def _end(self) -> None:
        if self.phase and self.times is not None:
            self.times.end()
        self.phase = ""


_shown: list[ProgressDisplay] = []  # on a terminal, the innermost last


def say_line(line: str) -> None:
    """Print a line that stays to stderr, above the displayed phase, if any."""
    console = _shown[-1].console if _shown else Console(stderr=True)
    # Do not wrap in a file or a pipe, where a line is a message
    console.print(
        line, highlight=False, markup=False, soft_wrap=not console.is_terminal
    )


@contextmanager
def show_progress(
    phase: str,
    total: int | None = None,
    unit: str = "",
    *,
    visible: bool,
    seconds: float | None = None,
    time_left: TimeLeft | None = None,
    books_time: bool = True,
    says_end: bool = False,
) -> Iterator[ProgressDisplay]:
    """Display a phase within the block; see :class:`ProgressDisplay`."""
    display = ProgressDisplay(
        visible=visible,
        time_left=time_left,
        books_time=books_time,
        says_end=says_end,
    )
    with display:
        display.begin(phase, total, unit, seconds=seconds)
        yield display
