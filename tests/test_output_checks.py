"""Written files are looked at again: added ones that stand out are found."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from balancegan.data.output_checks import WrittenFiles, compare_files


def photo(seed, size=(90, 120)):
    """Return a sharp image of smooth shapes."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (size[0] // 6, size[1] // 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size[::-1], Image.Resampling.NEAREST)


def blurred(image):
    size = image.size
    return image.resize((8, 8)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def written(tmp_path):
    """Write 12 originals of each of two classes, and return how to add files."""
    rows = []

    def add(name, image, label, method=None, source=None):
        image.save(tmp_path / name)
        facts = {"file_name": name, "label": label, "split": "train"}
        facts |= {"is_synthetic": method is not None, "synthetic_method": method}
        rows.append({**facts, "synthetic_source": source})
        return WrittenFiles(tmp_path, pd.DataFrame(rows))

    for label in "ab":
        for number in range(12):
            add(f"{label}{number}.png", photo(number), label)
    return add


def outcomes(files):
    examination = compare_files(files)
    return {finding.code: finding.outcome for finding in examination.findings}


def add_some(add, make, method, n=10):
    for number in range(n):
        source = f"a{number}.png" if method == "copied" else None
        files = add(f"{method}{number}.png", make(photo(number)), "a", method, source)
    return files


def mirror(image):
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


@pytest.mark.parametrize("method", ["copied", "gan"])
def test_files_like_originals_pass(written, method):
    files = add_some(written, mirror, method)
    assert outcomes(files) == {"BG103": "passed", "BG301": "passed"}


@pytest.mark.parametrize("method", ["copied", "gan"])
def test_blurred_files_are_an_issue(written, method):
    files = add_some(written, blurred, method)
    assert outcomes(files) == {"BG103": "passed", "BG301": "issue"}
    (_, row) = compare_files(files).methods
    assert row["sharpness_ratio"] < 0.5
    message = compare_files(files).findings[1].message
    assert ("--gan-share 0" in message) == (method == "gan")


def test_a_few_blurred_files_among_many_sharp_copies_are_an_issue(written):
    add_some(written, mirror, "copied", 12)
    files = add_some(written, blurred, "gan", 4)
    assert outcomes(files)["BG301"] == "issue"


@pytest.mark.parametrize("side", [32, 300])
def test_files_of_another_size_are_an_issue(written, side):
    def resized(image):
        return image.resize((side, side))

    assert outcomes(add_some(written, resized, "gan"))["BG103"] == "issue"


def test_a_copy_is_compared_with_its_own_file(written):
    """Copies of the one blurred original are as sharp as that, not as the class."""
    written("soft.png", blurred(photo(50)), "b")
    for number in range(10):
        name = f"copy{number}.png"
        files = written(name, mirror(blurred(photo(50))), "b", "copied", "soft.png")
    assert outcomes(files)["BG301"] == "passed"


def test_what_cannot_be_compared_is_not_passed(written, tmp_path):
    files = written("new.png", photo(3), "c", "gan")
    assert outcomes(files) == {"BG103": "not run", "BG301": "not run"}
    originals = files._replace(table=files.table[~files.table["is_synthetic"]])
    assert set(outcomes(originals).values()) == {"not applicable"}


def test_the_rows_say_how_many_files_have_which_sizes(written):
    files = add_some(written, lambda image: image.resize((40, 30)), "gan", 3)
    original, generated = compare_files(files).methods
    assert (original["method"], original["files"]) == ("original", 24)
    assert original["smallest"] == original["largest"] == [90, 120]
    assert (generated["method"], generated["files"]) == ("generated", 3)
    assert generated["median"] == [30, 40]
    assert generated["size_ratio"] == pytest.approx(1 / 3, abs=0.001)


def test_only_training_files_are_compared(written):
    files = add_some(written, mirror, "copied")
    test = files.table.iloc[:5].assign(split="test", file_name="nowhere.png")
    both = files._replace(table=pd.concat([files.table, test], ignore_index=True))
    assert compare_files(both).methods == compare_files(files).methods


@pytest.mark.parametrize(
    ("share", "expected"), [(0.85, "passed"), (0.75, "issue")], ids=["above", "below"]
)
def test_added_files_may_lose_a_fifth_of_the_sharpness(written, share, expected):
    # The variance grows with the square of the contrast
    def fade(image):
        faded = 128 + (np.asarray(image, float) - 128) * np.sqrt(share)
        return Image.fromarray(np.rint(faded).astype(np.uint8))

    files = add_some(written, fade, "copied")
    assert outcomes(files) == {"BG103": "passed", "BG301": expected}
