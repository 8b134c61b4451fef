"""Promises about the shape of the code: who imports whom, how heavy, how long."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import balancegan

PACKAGE = Path(balancegan.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Each room, a module or a folder of them, and the rooms that it may import from
BASICS = {
    "attributes",
    "balance",
    "datasets",
    "errors",
    "files",
    "images",
    "shapes",
    "memory",
    "phases",
    "pictures",
    "progress",
    "sklearn_compat",
    "versions",
}
MAY_IMPORT = {
    "__init__": {
        "balance",
        "data",
        "datasets",
        "errors",
        "evaluation",
        "samplers",
        "versions",
    },
    "__main__": {"cli"},
    "errors": set(),
    "attributes": {"errors"},
    "balance": {"errors"},
    "images": {"errors", "shapes", "memory"},
    "shapes": {"errors"},
    "datasets": {"errors", "memory"},
    "files": set(),
    "memory": set(),
    "pictures": {"errors", "files"},
    "phases": set(),
    "progress": {"phases"},
    "sklearn_compat": set(),
    "containers": {"errors", "pictures"},
    "versions": set(),
    "data": {*BASICS, "containers", "quality", "targets"},
    "gan": BASICS,
    "targets": BASICS,
    "quality": {*BASICS, "gan"},
    "samplers": {
        *BASICS,
        "containers",
        "gan",
        "quality",
        "targets",
    },
    "evaluation": {
        *BASICS,
        "containers",
        "gan",
        "quality",
        "samplers",
        "targets",
    },
    "cli": {
        *BASICS,
        "data",
        "evaluation",
        "gan",
        "quality",
        "samplers",
        "targets",
    },
}
# Of other rooms these modules alone know ours, and of the GAN no more than said
ONE_DOOR = {
    ("evaluation", "samplers"): {"evaluation.methods"},
    ("evaluation", "quality"): {
        "evaluation.checks",
        "evaluation.resampling",
        "evaluation.splits",
        "evaluation.added_images",
    },
    ("evaluation", "targets"): {"evaluation.labelling"},
    ("cli", "targets"): {"cli.estimate", "cli.tasks"},
    ("cli", "gan"): {
        "cli.commands",
        "cli.estimate",
        "cli.generating",
        "cli.tasks",
        "cli.training",
    },
}
# Parts that know none of their neighbours
ALONE = [
    "data.depth",
    "data.fitting",
    "data.values",
    "gan.batches",
    "gan.checkpoint",
    "gan.devices",
    "gan.keras_compat",
    "gan.losses",
    "gan.selection",
    "evaluation.metrics",
    "evaluation.labelling",
    "cli.option_types",
]
ONLY_IN = {
    "tensorflow": {
        "data.records",
        "evaluation.trials",
        "gan.batches",
        "gan.conditional_gan",
        "gan.devices",
        "gan.distribution",
        "gan.keras_compat",
        "gan.layers",
        "gan.losses",
        "gan.settings",
    },
    "click": {
        "cli.balance_command",
        "cli.checks",
        "cli.command",
        "cli.commands",
        "cli.display",
        "cli.edge",
        "cli.evaluate_command",
        "cli.generate_command",
        "cli.inspect_command",
        "cli.option_types",
        "cli.options",
    },
    "PIL": {
        "data.decoding",
        "data.filecopies",
        "data.fitting",
        "data.lineage",
        "data.opening",
        "data.photo_measures",
        "pictures",
    },
    "rich": {"cli.display", "progress"},
}


# Private parts of other libraries, which may go at any time
PRIVATE = re.compile(r"keras\.src|tensorflow\.python|(imblearn|sklearn)(\.\w+)*\._\w")


def room_of(module):
    return module.split(".")[0]


def imports_of(module):
    """Return the names of modules that a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def own_imports_of(module):
    """Return the modules of ours that a module imports."""
    own = {
        name.removeprefix("balancegan.")
        for name in imports_of(module)
        if name.startswith("balancegan.")
    }
    assert own <= MODULES.keys(), own - MODULES.keys()
    return own


def assert_no_cycle(imports):
    remaining = dict(imports)
    while remaining:
        free = {m for m, imported in remaining.items() if not imported & set(remaining)}
        assert free, f"cycle among {sorted(remaining)}"
        for module in free:
            del remaining[module]


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    room = room_of(module)
    others = {room_of(name) for name in own_imports_of(module)} - {room}
    assert others <= MAY_IMPORT[room]


def test_neither_rooms_nor_modules_know_each_other_in_circles():
    assert {room_of(module) for module in MODULES} == MAY_IMPORT.keys()
    assert_no_cycle(MAY_IMPORT)
    assert_no_cycle({module: own_imports_of(module) for module in MODULES})


@pytest.mark.parametrize(("rooms", "doors"), ONE_DOOR.items(), ids=map(str, ONE_DOOR))
def test_rooms_are_left_by_their_door(rooms, doors):
    room, other = rooms
    users = {
        module
        for module in MODULES
        if room_of(module) == room
        and any(room_of(name) == other for name in own_imports_of(module))
    }
    assert users == doors


@pytest.mark.parametrize("module", ALONE)
def test_parts_do_not_know_their_neighbours(module):
    neighbours = {n for n in own_imports_of(module) if room_of(n) == room_of(module)}
    assert not neighbours


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_in_their_modules(library):
    users = {
        module
        for module in MODULES
        if any(name.split(".")[0] == library for name in imports_of(module))
    }
    assert users == ONLY_IN[library]


def test_private_parts_of_libraries_are_in_one_place():
    users = {
        module
        for module in MODULES
        if any(PRIVATE.match(name) for name in imports_of(module))
    }
    assert users == {"gan.keras_compat", "sklearn_compat"}


@pytest.mark.parametrize(
    "start",
    [
        "import balancegan; balancegan.__version__; balancegan.plan_synthesis",
        "from balancegan.cli.commands import main\n"
        "main(['--help'], standalone_mode=False)",
        "from balancegan.cli.commands import main\n"
        "main(['train', '-h'], standalone_mode=False)",
        "from balancegan.evaluation import EvaluationResult, write_report",
        "from balancegan.data.inspection import inspect_images",
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


# Half of it documents the parameters of the class that users hold
LONGEST = {"samplers.augmenter": 540}


def body_lines(function):
    has_docstring = ast.get_docstring(function) is not None
    first = function.body[1 if has_docstring and len(function.body) > 1 else 0]
    return function.end_lineno - first.lineno + 1


@pytest.mark.parametrize("module", MODULES)
def test_rooms_are_small(module):
    text = MODULES[module].read_text()
    assert text.count("\n") <= LONGEST.get(module, 400)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert body_lines(node) <= 60, node.name


def test_a_training_step_fits_a_screen():
    tree = ast.parse(MODULES["gan.conditional_gan"].read_text())
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
