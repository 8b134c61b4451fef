"""Promises about the shape of the code: who imports whom, how heavy, how long."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import balancegan

PACKAGE = Path(balancegan.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))

# Each module and the modules of ours that it may import
MAY_IMPORT = {
    "__init__": set(balancegan._HOMES.values()),
    "__main__": {"cli"},
    "errors": set(),
    "balance": {"errors"},
    "images": {"errors"},
    "files": set(),
    "pictures": {"files"},
    "archives": {"errors", "files"},
    "datasets": {"archives", "balance", "errors", "files"},
    "inspection": {"balance", "images"},
    "display": {"checks", "comparison", "images", "inspection"},
    "losses": set(),
    "layers": set(),
    "networks": {"errors", "layers"},
    "presets": set(),
    "batches": set(),
    "metrics": {"balance"},
    "gan": {"layers", "losses", "networks", "presets"},
    "transformations": set(),
    "classifiers": {"batches", "errors", "layers", "transformations"},
    "resampling": {"errors"},
    "arms": {"augmenter", "balance", "errors", "transformations"},
    "runcache": {"errors", "files", "resampling"},
    "leakage": {"fidelity"},
    "gallery": {"fidelity", "images", "pictures"},
    "splits": {"balance", "errors", "images", "leakage"},
    "threads": set(),
    "trials": {
        "arms",
        "balance",
        "classifiers",
        "fidelity",
        "gallery",
        "images",
        "judge",
        "leakage",
        "metrics",
        "resampling",
        "runcache",
        "splits",
        "threads",
    },
    "plots": set(),
    "verdicts": {"metrics"},
    "comparison": {"files", "metrics", "plots", "verdicts"},
    "checks": {"comparison"},
    "report": {"checks", "comparison", "errors", "files"},
    "evaluation": {
        "arms",
        "classifiers",
        "comparison",
        "errors",
        "progress",
        "runcache",
        "splits",
        "trials",
    },
    "progress": {"display"},
    "budget": set(),
    "history": set(),
    "judge": {"batches"},
    "quality": {"balance", "judge", "model"},
    "fidelity": {"judge", "quality"},
    "schedule": {"budget"},
    "monitor": {"budget", "errors", "history", "progress", "quality"},
    "runlog": {"errors", "files", "history", "model", "pictures"},
    "model": {"errors", "images", "presets"},
    "synthesis": {"balance", "model", "progress"},
    "training": {
        "batches",
        "budget",
        "display",
        "errors",
        "gan",
        "history",
        "images",
        "judge",
        "model",
        "monitor",
        "networks",
        "presets",
        "progress",
        "quality",
        "runlog",
        "schedule",
    },
    "persistence": {
        "balance",
        "errors",
        "files",
        "images",
        "model",
        "networks",
        "presets",
    },
    "sampler": {"balance", "errors"},
    "augmenter": {
        "balance",
        "errors",
        "history",
        "images",
        "model",
        "networks",
        "persistence",
        "presets",
        "sampler",
        "synthesis",
        "training",
    },
    "estimate": {"augmenter", "classifiers", "gan", "model", "presets"},
    "comparing": {
        "arms",
        "augmenter",
        "balance",
        "classifiers",
        "comparison",
        "datasets",
        "estimate",
        "evaluation",
        "images",
        "splits",
    },
    "edge": {"datasets", "errors", "files", "images", "threads"},
    "evaluate_command": {
        "balance",
        "comparing",
        "comparison",
        "datasets",
        "display",
        "edge",
        "options",
        "report",
    },
    "jobs": {
        "archives",
        "augmenter",
        "balance",
        "datasets",
        "estimate",
        "pictures",
    },
    "options": set(),
    "balance_command": {
        "balance",
        "datasets",
        "display",
        "edge",
        "evaluate_command",
        "jobs",
        "options",
    },
    "cli": {
        "balance_command",
        "datasets",
        "display",
        "edge",
        "evaluate_command",
        "inspection",
        "jobs",
        "options",
        "persistence",
    },
}
ONLY_IN = {
    "tensorflow": {"gan", "layers", "threads"},
    "click": {"balance_command", "cli", "edge", "evaluate_command", "options"},
    "PIL": {"pictures"},
    "rich": {"display", "progress"},
}


def imports_of(module):
    """Return the names of modules that a module imports anywhere in it."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    own = {
        name.removeprefix("balancegan.")
        for name in imports_of(module)
        if name.startswith("balancegan.")
    }
    assert own <= MAY_IMPORT[module]


def test_the_permitted_imports_have_no_cycle():
    remaining = {m: set(i) for m, i in MAY_IMPORT.items()}
    while remaining:
        free = {m for m, imported in remaining.items() if not imported & set(remaining)}
        assert free, f"cycle among {sorted(remaining)}"
        for module in free:
            del remaining[module]


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_in_their_modules(library):
    users = {
        module
        for module in MODULES
        if any(name.split(".")[0] == library for name in imports_of(module))
    }
    assert users == ONLY_IN[library]


@pytest.mark.parametrize(
    "start",
    [
        "import balancegan; balancegan.__version__; balancegan.plan_synthesis",
        "from balancegan.cli import main; main(['--help'], standalone_mode=False)",
        "from balancegan.cli import main; main(['train', '-h'], standalone_mode=False)",
    ],
)
def test_starting_up_is_light(start):
    script = (
        f"import sys\n{start}\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def body_lines(function):
    has_docstring = ast.get_docstring(function) is not None
    first = function.body[1 if has_docstring and len(function.body) > 1 else 0]
    return function.end_lineno - first.lineno + 1


@pytest.mark.parametrize("module", MODULES)
def test_rooms_are_small(module):
    text = (PACKAGE / f"{module}.py").read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert body_lines(node) <= 60, node.name


def test_a_training_step_fits_a_screen():
    tree = ast.parse((PACKAGE / "gan.py").read_text())
    steps = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "train_step"
    ]
    assert len(steps) == 3
    assert all(body_lines(step) <= 40 for step in steps)


def test_public_names_are_there_and_documented():
    for name in balancegan.__all__:
        assert getattr(balancegan, name).__doc__
    assert set(balancegan.__all__) == set(balancegan._HOMES)
    with pytest.raises(AttributeError, match="nothing"):
        _ = balancegan.nothing
