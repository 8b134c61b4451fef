"""README, guide and examples do what they promise."""

import re
import runpy
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from balancegan.cli.commands import main
from balancegan.evaluation import comparison
from balancegan.gan import presets

from .conftest import make_images

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "guide.md").read_text()


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    for name, preset in presets.PRESETS.items():
        monkeypatch.setitem(presets.PRESETS, name, replace(preset, steps=1))
    monkeypatch.setattr(comparison, "N_STEPS", 1)
    monkeypatch.chdir(tmp_path)


def test_the_example_of_the_readme_prints_what_is_below_it(quick, capsys):
    (example,), (printed,) = blocks(README, "python"), blocks(README, "text")
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_the_readme_is_short():
    assert len(README.split()) <= 700


def test_python_blocks_of_the_guide_run(quick):
    y = np.repeat(["bag", "shirt", "boot"], [20, 8, 6])
    names = {"X": make_images(34), "y": y, "classifier": LogisticRegression()}
    names |= {"X_test": make_images(6, seed=1), "y_test": y[[0, 1, 20, 21, 28, 29]]}
    names["shade"] = np.resize(["light", "dark"], 34)
    for block in blocks(GUIDE, "python"):
        counts = block.replace("1000", "25")
        exec(compile(counts, "guide.md", "exec"), names)
    assert names["augmenter"].is_synthetic_.any()


def commands():
    for block in blocks(README + GUIDE, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["balancegan"]:
                yield words[1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_commands_of_the_documents_parse(words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").touch()
    help_names = {"help_option_names": ["-h", "--help"]}
    main.commands[words[0]].make_context(words[0], words[1:], **help_names)


def test_the_readme_makes_the_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/*.py")), ids=lambda p: p.stem
)
def test_examples_run_and_are_short(quick, monkeypatch, path, tmp_path, capsys):
    X, y = make_images(120, (28, 28)), np.arange(120) % 10
    np.savez("mnist.npz", x_train=X, y_train=y)
    text = path.read_text()
    assert text.count("\n") < 60
    arguments = [*(["mnist.npz"] if "mnist.npz" in text else []), "--steps", "1"]
    arguments += ["--seeds", "1"] if '"--seeds"' in text else []
    monkeypatch.setattr("sys.argv", [str(path), *arguments])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
    assert list(tmp_path.glob("*.png")) or list(tmp_path.glob("*.html"))


DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    ROOT / "benchmarks" / "README.md",
]


@pytest.mark.parametrize(
    "document", [str(d.relative_to(ROOT)) for d in sorted(DOCUMENTS)]
)
def test_links_lead_somewhere(document):
    folder = (ROOT / document).parent
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        path, _, heading = target.partition("#")
        file = folder / path if path else ROOT / document
        assert file.exists(), target
        if heading:
            assert heading in headings(file), target


def headings(file):
    """Return the anchors that headings of a Markdown file have."""
    titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles]
