"""Run commands; settings among the words are written to a file for --config."""

import json
import tempfile

from click.testing import CliRunner

from balancegan.cli.command import Setting
from balancegan.cli.commands import main


def with_config(words):
    """Return words with --config in place of settings such as --batch-size 8."""
    command, *rest = map(str, words)
    params = getattr(main.commands.get(command), "params", ())
    settings = {param.key: param for param in params if isinstance(param, Setting)}
    kept, values, words = [command], {}, iter(rest)
    for word in words:
        key = word.removeprefix("--").removeprefix("no-")
        if not word.startswith("--") or key not in settings:
            kept.append(word)
        elif settings[key].is_flag:
            values[key] = not word.startswith("--no-")
        else:
            found = [next(words) for _ in range(settings[key].nargs)]
            values[key] = found if len(found) > 1 else found[0]
    if values:
        with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as file:
            for key, value in values.items():
                file.write(f"{key} = {json.dumps(value)}\n")
        kept += ["--config", file.name]
    return kept


def invoke(*words, **variables):
    """Run a command and return click's result."""
    return CliRunner().invoke(main, with_config(words), env=variables)
