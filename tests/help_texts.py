"""The committed texts of --help, and how to write them anew (make help-texts)."""

from pathlib import Path

from click.testing import CliRunner

from balancegan.cli.commands import main

FOLDER = Path(__file__).parent / "help_texts"
COMMANDS = ["", *sorted(main.commands)]


def help_text(command):
    """Return what --help prints at a width of 80."""
    arguments = [*command.split(), "--help"]
    result = CliRunner().invoke(
        main, arguments, prog_name="balancegan", terminal_width=80
    )
    return result.stdout


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in COMMANDS:
        (FOLDER / f"{name or 'balancegan'}.txt").write_text(help_text(name))
