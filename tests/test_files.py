import os

import pytest

from balancegan.files import check_folder, whole_file, whole_folder


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
def test_what_was_there_stays_when_writing_fails(tmp_path, error):
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


def test_a_folder_takes_the_place_of_another(tmp_path):
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
