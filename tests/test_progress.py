"""What people see while something runs: phases, units, and estimates worth saying."""

import io
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan import progress
from balancegan.cli.edge import warnings_as_lines
from balancegan.errors import TrainingWarning
from balancegan.gan.budget import Budget
from balancegan.phases import (
    OTHER,
    PAST,
    PhaseTimes,
    describe_times,
    recording_times,
    spending,
    spending_on_each,
)
from balancegan.progress import ProgressDisplay, TimeLeft, show_progress


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def display(clock):
    return ProgressDisplay(visible=False, clock=clock)


def step(display, clock, seconds, done, **how):
    clock.now += seconds
    display.update(done, **how)


def test_time_left_needs_steady_progress(display, clock):
    display.begin("Training", 3_000, "steps")
    step(display, clock, 30, 10)  # compiles
    assert display.line(clock.now, 80).endswith("10 of 3,000 steps  30 s")
    for done in (20, 30):
        step(display, clock, 1, done)
        assert "left" not in display.line(clock.now, 80)
    for done in (40, 50, 60):
        step(display, clock, 1, done)
    assert "35 s, about 4 min 54 s left" in display.line(clock.now, 80)


def test_what_is_nearly_over_or_overdue_is_not_said_to_take_0_seconds(display, clock):
    display.begin("Judging", 6, "classes")
    for done in range(1, 6):
        step(display, clock, 2, done)
    assert "about 2 s left" in display.line(clock.now, 80)
    clock.now += 90
    assert display.line(clock.now, 80).endswith("5 of 6 classes  1 min 40 s")


def test_a_resumed_run_counts_from_where_it_resumed(display, clock):
    display.begin("Training", 3_000, "steps", done=2_000)
    for done in range(2_000, 2_050, 10):
        step(display, clock, 1, done)
    assert "2,040 of 3,000 steps" in display.line(clock.now, 80)
    assert "about 1 min 36 s left" in display.line(clock.now, 80)


def test_time_left_by_the_clock_is_known_at_once(display, clock):
    display.begin("Training", unit="steps", seconds=60)
    step(display, clock, 20, 10, seconds_left=40)
    line = display.line(clock.now, 80)
    assert "10 steps  20 s, at most 40 s left" in line
    assert line.count("#") == pytest.approx(line.count(".") / 2, abs=1)


def test_whichever_ends_first_is_said(display, clock):
    display.begin("Training", 100, "steps", seconds=600)
    for done in range(10, 60, 10):
        step(display, clock, 1, done, seconds_left=600 - clock.now)
    assert "about 5 s left" in display.line(clock.now, 80)


def test_a_limit_of_steps_is_no_forecast(clock):
    display = ProgressDisplay(visible=False, clock=clock)
    budget = Budget(20_000, None, may_end_before=True)
    for done in range(10, 70, 10):
        clock.now += 1
        budget.show(display, done, "")
    assert display.line(clock.now, 80).endswith("60 of at most 20,000 steps  5 s")
    budget.end_at_share(0.6, 60)
    budget.show(display, 60, "")
    assert "60 of 100 steps" in display.line(clock.now, 80)


@pytest.mark.parametrize(
    ("seconds_a_step", "limit", "said"),
    [
        (1.0, None, ["training at 64x48: 3,000 steps, about 50 min"]),
        (1.0, 600.0, ["training at 64x48: about 595 steps in 10 min"]),
        (1.0, 6_000.0, ["training at 64x48: 3,000 steps, about 50 min"]),
        (0.01, None, []),  # over before anybody has read it
        (1.0, 50.0, []),
    ],
)
def test_training_says_once_how_long_it_takes(
    clock, monkeypatch, seconds_a_step, limit, said
):
    monkeypatch.setattr("balancegan.gan.budget.time.monotonic", lambda: clock.now)
    display, lines = ProgressDisplay(visible=False, clock=clock), []
    monkeypatch.setattr(display, "say", lines.append)
    budget = Budget(3_000, limit, size="64x48")
    budget.start()
    clock.now += 15  # compiling, and the steps of the first call
    for done in range(10, 80, 10):
        budget.show(display, done, "")
        clock.now += 10 * seconds_a_step
    assert [line.partition(";")[0] for line in lines] == said


def test_steps_without_a_limit_are_counted_and_not_of_ten_million(clock):
    display = ProgressDisplay(visible=False, clock=clock)
    Budget(10**7, 60.0, limits_steps=False).show(display, 40, "")
    assert "40 steps" in display.line(clock.now, 80)
    assert " of " not in display.line(clock.now, 80)


PHASES = st.sampled_from([name for name in PAST if name != OTHER])


@given(
    phase=PHASES,
    total=st.none() | st.integers(1, 10**7),
    share=st.floats(0, 1),
    seconds=st.floats(0, 10**5),
    width=st.integers(20, 200),
    limit=st.none() | st.floats(1, 10**5),
)
def test_a_line_fits_and_says_what_matters_most(
    phase, total, share, seconds, width, limit
):
    clock = Clock()
    display = ProgressDisplay(visible=False, clock=clock)
    display.begin(phase, total, "steps", seconds=limit)
    for k in range(1, 6):
        clock.now = seconds * k / 5
        display.update(int(share * (total or 99) * k / 5), "generator 0.71")
    line = display.line(clock.now, width)
    assert len(line) <= width
    assert line.startswith(phase[:width])
    if width >= 60:
        assert f"{display.done:,} " in line
        assert "steps" in line


def test_losses_go_first_where_there_is_no_room(display, clock):
    display.begin("Training", 3_000, "steps")
    for done in range(200, 800, 100):
        step(display, clock, 5, done, note="discriminator 0.69  generator 0.71")
    wide, usual, narrow = (display.line(clock.now, width) for width in (140, 80, 60))
    assert "generator 0.71" in wide
    for line in (usual, narrow):
        assert "700 of 3,000 steps" in line
        assert "about 1 min 55 s left" in line
        assert "generator" not in line
    assert "#" in usual


@given(st.dictionaries(st.sampled_from(list(PAST)), st.floats(0, 9_000), min_size=1))
def test_what_is_said_of_the_phases_adds_up(seconds):
    said = describe_times(seconds)
    *parts, whole = (part for part in said.replace(": ", ", ").split(", ") if part)
    assert sum(map(in_seconds, parts)) == in_seconds(whole)
    unit = 60 if sum(seconds.values()) >= 3600 else 1
    assert abs(in_seconds(whole) - sum(seconds.values())) <= unit / 2


def in_seconds(text):
    sizes = {"s": 1, "min": 60, "h": 3600}
    words = text.split()
    return sum(
        int(number) * sizes[size]
        for number, size in zip(words, words[1:], strict=False)
        if size in sizes and number.isdigit()
    )


def test_every_second_is_in_one_phase(clock):
    times = PhaseTimes(clock)
    clock.now = 1
    times.begin("Writing")
    clock.now = 3
    times.begin("Generating")
    clock.now = 8
    times.end()
    clock.now = 10
    times.end()
    clock.now = 14
    assert times.read() == {"Other": 5, "Writing": 4, "Generating": 5}


def test_time_between_items_is_not_that_of_making_them(clock):
    def make():
        for k in range(3):
            clock.now += 2
            yield k

    with recording_times(clock) as times:
        with spending("Writing"):
            for _ in spending_on_each("Generating", make()):
                clock.now += 5
        assert times.read() == {"Other": 0, "Writing": 15, "Generating": 6}


def test_a_failure_ends_its_phases():
    with recording_times() as times:
        with (
            pytest.raises(RuntimeError),
            show_progress("Writing", visible=False),
            spending("Generating"),
        ):
            raise RuntimeError
        assert times.phases == []


def test_elsewhere_a_phase_is_a_line_without_carriage_returns(capsys, clock):
    with ProgressDisplay(visible=True, clock=clock) as display:
        display.begin("Compiling")
        display.begin("Training", 3_000, "steps")
        for done in range(10, 3_010, 10):
            step(display, clock, 0.5, done, note="generator 0.71")
    lines = capsys.readouterr().err
    assert "\r" not in lines
    assert "\x1b" not in lines
    assert lines.splitlines() == [
        "Compiling",
        "Training: 3,000 steps",
        "Training: 1,200 of 3,000 steps, about 1 min 30 s left",
        "Training: 2,400 of 3,000 steps, about 30 s left",
    ]


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({"seconds": 600}, "Training: for at most 10 min 0 s"),
        ({"total": 90, "done": 40}, "Training: 90 steps, 40 of them done"),
        ({}, "Training"),
    ],
)
def test_a_phase_begins_with_what_is_known_of_it(capsys, clock, how, line):
    with ProgressDisplay(visible=True, clock=clock) as display:
        display.begin("Training", unit="steps", **how)
    assert capsys.readouterr().err == f"{line}\n"


def test_an_error_while_reading_stands_alone(capsys):
    with (
        pytest.raises(ValueError, match="damaged"),
        show_progress("Reading", visible=True, says_end=True),
    ):
        raise ValueError("damaged")
    assert capsys.readouterr().err == ""
    with show_progress("Reading", visible=True, says_end=True):
        pass
    assert capsys.readouterr().err == "Reading\n"


def test_what_is_not_visible_says_nothing(capsys):
    with show_progress("Training", 10, "steps", visible=False) as display:
        display.update(3)
        display.say("step 3")
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_at_a_terminal_phases_leave_nothing_and_inner_ones_are_shown(monkeypatch):
    terminal = Terminal()
    for name, value in {"TERM": "xterm", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", terminal)
    with show_progress("Writing", visible=True) as outer:
        with show_progress("Generating", 9, "images", visible=True) as inner:
            inner.update(3)
            inner.live.refresh()
            inner.say("said")
        outer.live.refresh()
    written = terminal.getvalue()
    places = [
        written.index(text)
        for text in ("- Writing", "3 of 9 images", "said\n", "Writing  0 s")
    ]
    assert places[0] < places[1] < places[2] < written.rindex("Writing")
    assert places[0] < places[3]
    assert written.endswith("\x1b[2K") or written.endswith("\x1b[?25h")
    assert progress._shown == []


@pytest.mark.filterwarnings("default::balancegan.errors.TrainingWarning")
def test_a_warning_stands_on_lines_of_its_own_above_the_phase(monkeypatch):
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stderr", terminal)
    shown = []
    with warnings_as_lines(shown), show_progress("Training", visible=True) as display:
        display.live.refresh()
        begun = len(terminal.getvalue())
        warnings.warn("class [a] collapsed", TrainingWarning, stacklevel=1)
    written = terminal.getvalue()[begun:]
    erased, line = written.split("warning: class [a] collapsed\n")[0], "\x1b[2K"
    assert shown == ["class [a] collapsed"]
    assert erased.startswith("\r" + line)
    assert erased.endswith(line)


def test_time_left_of_kinds_waits_for_each_of_them():
    left = TimeLeft(["cgan", "smote", "cgan"], n_workers=2)
    left.note("smote", 1.0)
    assert left.seconds() is None
    left.note("cgan", 8.0)
    assert left.seconds() == 4.0
