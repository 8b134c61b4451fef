import ast
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from balancegan import files
from balancegan.files import check_folder, clear_leftovers, whole_file, whole_folder


def test_a_file_appears_when_complete(tmp_path):
    path = tmp_path / "file"
    with whole_file(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_old_file_stays_when_writing_fails(tmp_path, error):
    file_path, folder_path = tmp_path / "file", tmp_path / "folder"
    file_path.write_text("before")
    folder_path.mkdir()
    (folder_path / "a").write_text("before")
    with pytest.raises(error), whole_file(file_path) as file:
        file.write(b"half")
        raise error
    with pytest.raises(error), whole_folder(folder_path) as folder:
        (folder / "a").write_text("half")
        raise error
    assert file_path.read_text() == (folder_path / "a").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_replaces_another(tmp_path):
    path = tmp_path / "folder"
    for name in ("a", "b"):
        with whole_folder(path) as folder:
            (folder / name).touch()
    assert [entry.name for entry in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_folders_that_cannot_be_written_into(tmp_path):
    assert check_folder(tmp_path / "file") is None
    assert "no folder" in check_folder(tmp_path / "missing" / "file")
    assert "cannot be written" in check_folder(type(tmp_path)("/proc/file"))


def gone():
    """Return the number of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def leave(path, suffix, process, folder, machine=None):
    name = f".{path.name}.{process}@{machine or files._machine()}.abc{suffix}"
    left = path.parent / name
    if folder:
        (left / "a").mkdir(parents=True)
    else:
        left.write_text("half")
    return left


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_leftovers_of_killed_processes_are_removed(tmp_path, whole):
    path = tmp_path / "data [0].npz"
    other = tmp_path / "data 0.npz"
    killed = [leave(path, ".partial", gone(), folder) for folder in (False, True)]
    kept = [
        leave(path, ".partial", os.getpid(), True),
        leave(other, ".partial", gone(), True),
        leave(path, ".txt", gone(), False),
        leave(path, ".partial", gone(), False, machine="another"),
        leave(path, ".partial", gone(), True, machine=f"{platform.node()}-1"),
        tmp_path / f".{path.name}.notes.partial",
    ]
    kept[-1].touch()
    with whole(path):
        pass
    assert not any(entry.exists() for entry in killed)
    assert all(entry.exists() for entry in kept)


def test_a_folder_is_put_back_after_a_kill(tmp_path):
    path = tmp_path / "folder"
    aside = leave(path, ".aside", gone(), True)
    (aside / "a").rename(aside / path.name)
    (aside / path.name / "old").touch()
    clear_leftovers(path)
    assert [entry.name for entry in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    rename = os.rename

    def refuse(source, target):
        if str(source).endswith(".partial"):
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", refuse)
    with pytest.raises(OSError, match="no"), whole_folder(path):
        pass
    assert [entry.name for entry in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def contents(folder):
    """Return the names of all files below a folder, with their texts."""
    return {file.name: file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_folder_that_could_not_be_replaced_is_kept_and_named(
    tmp_path, monkeypatch, kind
):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("the only copy")
    rename = os.rename

    def rename_after_another_program(source, target):
        if str(source).endswith(".partial"):
            path.mkdir() if kind == "folder" else path.write_text("theirs")
            if kind == "folder":
                (path / "theirs").write_text("theirs")
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", rename_after_another_program)
    refused = pytest.raises(OSError, match="by another program")
    with refused as raised, whole_folder(path) as folder:
        (folder / "new").write_text("new")
    kept = Path(str(raised.value).rpartition("is kept in ")[2])
    assert contents(kept) == {"old": "the only copy"}
    assert "theirs" in (contents(path) if path.is_dir() else path.read_text())
    monkeypatch.undo()

    # Nor does a later process remove it while it has not been replaced
    process = kept.parent.name.split("@")[0].rpartition(".")[2]
    later = kept.parent.with_name(kept.parent.name.replace(process, str(gone())))
    kept.parent.rename(later)
    clear_leftovers(path)
    assert contents(later) == {"old": "the only copy"}


def test_what_is_aside_for_another_folder_is_not_removed(tmp_path):
    long = "x" * 120
    aside = leave(tmp_path / long[: files.LONGEST_NAME], ".aside", gone(), True)
    (aside / f"{long}-other").mkdir()
    (aside / f"{long}-other" / "old").write_text("the only copy")
    clear_leftovers(tmp_path / f"{long}-this")
    assert contents(aside) == {"old": "the only copy"}


@pytest.mark.parametrize("stage", range(3))
def test_an_interrupted_replacement_leaves_the_old_folder_or_the_new_one(
    tmp_path, monkeypatch, stage
):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    rename, done = os.rename, []

    def rename_and_stop(source, target):
        rename(source, target)
        done.append(target)
        if len(done) == stage + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "rename", rename_and_stop)
    with pytest.raises(KeyboardInterrupt), whole_folder(path) as folder:
        (folder / "new").write_text("new")
    assert list(contents(path)) == ["old" if stage == 0 else "new"]


@pytest.mark.parametrize("name", ["x" * 240, "狗" * 80])
def test_long_names(tmp_path, name):
    with whole_file(tmp_path / name) as file:
        file.write(b"whole")
    assert len(list(tmp_path.iterdir())) == 1
    with whole_folder(tmp_path / f"{name}y"):
        pass
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("n", [3, 300])
def test_files_of_a_folder_are_on_the_disk_before_its_name(tmp_path, monkeypatch, n):
    done = []
    for name in ("fsync", "sync"):
        monkeypatch.setattr(files.os, name, lambda *_, name=name: done.append(name))
    with whole_folder(tmp_path / "folder") as folder:
        for i in range(n):
            (folder / str(i)).touch()
    assert done == (["sync"] if n > 100 else ["fsync"] * n) + ["fsync"]


def called_by_name(block):
    """Yield the bare names of the functions and classes that statements call."""
    for node in ast.walk(ast.Module(block, [])):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def guarded_blocks(module):
    """Yield what the module runs where every kind of damage is caught."""
    for node in ast.walk(module):
        if isinstance(node, ast.Try):
            caught = {
                name.id
                for handler in node.handlers
                for name in ast.walk(handler.type or handler)
                if isinstance(name, ast.Name)
            }
            if "READ_ERRORS" in caught:
                yield node.body


def own_names(module):
    """Return what a module defines, or imports from this package."""
    kinds = ast.FunctionDef | ast.ClassDef
    defined = {node.name for node in ast.walk(module) if isinstance(node, kinds)}
    imports = (node for node in ast.walk(module) if isinstance(node, ast.ImportFrom))
    return defined | {
        alias.name
        for node in imports
        if (node.module or "").startswith("balancegan")
        for alias in node.names
    }


def test_only_calls_of_libraries_are_taken_for_damaged_files():
    package = Path(files.__file__).parent
    seen = 0
    for path in sorted(package.rglob("*.py")):
        module = ast.parse(path.read_text())
        for block in guarded_blocks(module):
            seen += 1
            ours = own_names(module) & set(called_by_name(block))
            assert not ours, f"{path}: {ours} in a block that catches READ_ERRORS"
    assert seen >= 4
