"""Options of the commands, and the TOML file of --config."""

import click
import pytest

from balancegan.cli.command import Setting
from balancegan.cli.commands import main
from balancegan.errors import DataError

from .commands import invoke

MOST_OPTIONS = dict.fromkeys(main.commands, 22) | {"evaluate": 18}


def parse(command, *words):
    """Return the parameters of a command line, without running it."""
    return main.commands[command].make_context(command, list(map(str, words))).params


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "run.toml").write_text(text)
        return ("--config", tmp_path / "run.toml")

    return write


@pytest.mark.parametrize("command", main.commands)
def test_commands_have_few_options_and_three_examples(command):
    found = main.commands[command]
    options = [param for param in found.params if isinstance(param, click.Option)]
    shown = [o for o in options if not (o.hidden or isinstance(o, Setting))]
    assert len(shown) <= MOST_OPTIONS[command]
    assert len(found.examples) == 3


def test_keys_are_options_and_settings(write):
    config = write(
        "steps = 500\nmax_minutes = 2.5\nbest-of = 3\nreject = false\n"
        "value-range = [0, 1]\nimage-shape = [28, 28]\n"
        "balance-on = ['label', 'colour']\n"
        "target = {bag = 9, boot = 8}\n"
    )
    given = parse("balance", "DATA", *config)
    assert (given["steps"], given["max_minutes"], given["best_of"]) == (500, 2.5, 3)
    assert given["reject"] is False
    assert given["value_range"] == (0, 1)
    assert given["image_shape"] == (28, 28)
    assert given["balance_on"] == ("label", "colour")
    assert given["targets"] == ("bag=9", "boot=8")


def test_options_of_the_command_line_win(write):
    config = write("steps = 500\nquiet = true\ntarget = 'all'")
    given = parse("balance", "DATA", *config, "--steps", 7)
    assert (given["steps"], given["quiet"], given["targets"]) == (7, True, ("all",))
    assert parse("balance", "DATA", *config, "-t", "a=3")["targets"] == ("a=3",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "step = 5",
            "has the key step, which balance does not have. Did you mean steps",
        ),
        ("methods = 'none'", "has the key methods"),
        ("config = 'other.toml'", "has the key config"),
        ("steps = true", "steps is a text, number or list. Received: True"),
        ("quiet = 1", "quiet is true or false. Received: 1"),
        ("steps = [1", "cannot be read as TOML"),
    ],
)
def test_unusable_keys_are_refused(write, text, message):
    with pytest.raises(DataError, match=message):
        parse("balance", "DATA", *write(text))


def test_bad_input_in_a_file_is_one_line_and_exit_code_2(write, tmp_path):
    for words, message in (
        (write("step = 5"), "Did you mean steps?"),
        (("--config", tmp_path / "none.toml"), "cannot be read"),
        (("--config", tmp_path), "cannot be read"),
    ):
        done = invoke("balance", "DATA", *words)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert message in done.stderr


def test_a_wrong_value_of_a_setting_names_its_key(write):
    done = invoke("balance", "DATA", *write("best-of = 0"))
    assert done.exit_code == 2
    assert "'best-of' (in the file of --config)" in " ".join(done.stderr.split())


def test_a_setting_given_as_an_option_names_the_config_file(monkeypatch):
    with pytest.raises(click.UsageError, match="set best-of in a TOML file"):
        parse("balance", "DATA", "--best-of", 3)
