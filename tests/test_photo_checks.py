"""Checks of photos: planted faults are found, and nothing else."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

import balancegan
from balancegan.data import examined
from balancegan.data.fitting import unfit_image
from balancegan.data.photo_measures import open_photos
from balancegan.errors import DataError
from balancegan.quality.photo_copies import find_photo_copies

from .test_cli import run

N, SIDE = 60, 64
COLOURS = np.array([[150, 90, 60], [60, 110, 160]])
LABELS = np.arange(N) % 2
PHOTO_CODES = {f"BG{n}" for n in range(115, 124)}


def make_photo(rng, colour, side=SIDE):
    coarse = rng.normal(0, 40, (7, 7, 3)) + colour
    coarse = np.clip(coarse, 0, 255).astype("uint8")
    photo = unfit_image(coarse, (side, side), "stretch")
    noise = rng.normal(0, 12, (side, side, 1))
    return np.clip(photo + noise, 0, 255).astype("uint8")


@pytest.fixture
def photos():
    rng = np.random.default_rng(0)
    return np.stack([make_photo(rng, COLOURS[label]) for label in LABELS])


def results(*arguments, **options):
    return {f.code: f for f in balancegan.inspect(*arguments, **options).results}


def alarms(found):
    return {code for code, f in found.items() if f.outcome in ("issue", "tip")}


def blur(photo):
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(3)))


FLAWS = {
    "BG115": lambda photo: photo // 6,
    "BG116": lambda photo: 255 - (255 - photo) // 12,
    "BG117": lambda photo: 110 + photo // 16,
    "BG118": blur,
    "BG121": lambda photo: (
        photo.mean(axis=2, keepdims=True).astype("uint8").repeat(3, 2)
    ),
}


def test_sound_photos_pass(photos):
    found = results(photos, LABELS)
    assert not alarms(found)
    shapes = {"BG119", "BG120"}  # an array has one size
    assert {c for c in PHOTO_CODES if found[c].outcome != "passed"} == shapes


@pytest.mark.parametrize("code", FLAWS)
def test_a_planted_fault_is_found_in_either_part(photos, code):
    tests = photos[::-1].copy()[:30] // 2 + 60
    photos[[7, 22]] = [FLAWS[code](photos[row]) for row in (7, 22)]
    tests[4] = FLAWS[code](tests[4])
    found = results(photos, LABELS, test=(tests, LABELS[::-1][:30]))
    assert found[code].outcome == "tip"
    assert (found[code].rows, found[code].test_rows) == ((7, 22), (4,))
    assert "row 7" in found[code].message
    others = {"BG115", "BG116", "BG117", "BG118", "BG121"} - {code}
    assert not alarms(found) & (others - {"BG118"})


def test_what_the_whole_set_shows_is_no_fault(photos):
    found = results(photos // 5, LABELS)
    assert found["BG115"].outcome == "passed"
    assert "compared with the set" in found["BG115"].message
    grey = np.stack([FLAWS["BG121"](photo) for photo in photos])
    grey[5] = photos[5]
    found = results(grey, LABELS)["BG121"]
    assert (found.rows, "in colour among grey" in found.message) == ((5,), True)


def test_the_same_faults_are_found_whatever_the_values_mean(photos):
    photos[7] = FLAWS["BG115"](photos[7])
    first = np.moveaxis(photos, 3, 1)
    for images, options in (
        (photos / 255, {}),
        ((photos / 127.5 - 1).astype("float32"), {}),
        (first, {"image_shape": (SIDE, SIDE, 3)}),
        (list(photos), {}),
        (pd.Series(list(photos)), {}),
        (pd.DataFrame({"photo": list(photos)}), {}),
        ([Image.fromarray(photo) for photo in photos], {}),
    ):
        assert results(images, LABELS, **options)["BG115"].rows == (7,)


def test_odd_shapes_and_sizes_are_found(photos):
    images = list(photos)
    images[3] = images[3][:14]
    images[8] = images[8].repeat(4, axis=0).repeat(4, axis=1)
    found = results(images, LABELS)
    assert found["BG119"].rows == (3,)
    assert 8 in found["BG120"].rows
    # Sets of many sizes: only what is extreme
    rng = np.random.default_rng(1)
    images = [photo[: rng.integers(30, 65), : rng.integers(30, 65)] for photo in photos]
    assert not alarms(results(images, LABELS)) & {"BG119", "BG120"}
    images[9] = photos[9][:10]
    assert results(images, LABELS)["BG119"].rows == (9,)


def test_wrong_labels_are_found_and_the_likely_class_is_named(photos):
    labels = np.array(["leaf", "sky"])[LABELS]
    labels[10] = "sky"
    found = results(photos, labels)["BG123"]
    assert (found.outcome, found.rows) == ("tip", (10,))
    assert "row 10: sky, probably leaf" in found.message


def test_labels_that_photos_do_not_tell_are_not_doubted(photos):
    labels = np.random.default_rng(3).integers(0, 2, N)
    found = results(photos, labels)["BG123"]
    assert (found.outcome, found.rows) == ("not run", ())


def test_labels_of_test_photos_are_doubted_where_these_are_recognised(photos):
    labels, wrong = LABELS.copy(), LABELS.copy()
    wrong[10] = 1 - wrong[10]
    tests = photos[:, ::-1]
    assert results(photos, labels, test=(tests, wrong))["BG123"].test_rows == (10,)
    random = np.random.default_rng(3).integers(0, 2, N)
    found = results(photos, labels, test=(tests, random))["BG123"]
    assert (found.outcome, found.test_rows) == ("passed", ())
    assert "Labels of test photos were not checked: only" in found.message


def test_votes_of_unseen_photos_come_from_classifiers_that_have_not_seen_them(photos):
    """With labels at random, only a classifier that has seen them is right."""
    labels = np.random.default_rng(3).integers(0, 2, N)
    inspection = balancegan.inspect(photos, labels)
    votes = inspection.examined.votes.votes[0]
    assert np.allclose(votes.sum(axis=1), 1)
    assert (votes.argmax(axis=1) == labels).mean() < 0.7


@pytest.mark.parametrize("n_rare", [1, 2])
def test_classes_of_hardly_any_photo_are_no_error(photos, n_rare):
    labels = np.where(np.arange(N) < n_rare, "rare", "many")
    found = results(photos, labels)["BG123"]
    assert found.rows == ()


def test_what_is_said_of_wrong_labels_names_each_photo_once(photos):
    labels = np.array(["leaf", "sky"])[LABELS]
    labels[10] = "sky"
    message = results(photos, labels)["BG123"].message
    assert message.count("row 10") == 1


def test_small_classes_are_reported_as_not_checked(photos):
    labels = np.where(np.arange(N) < 5, "rare", np.array(["leaf", "sky"])[LABELS])
    found = results(photos, labels)
    for code in ("BG122", "BG123"):
        assert not set(found[code].rows) & set(range(5))
        assert "rare" in found[code].message


def test_a_photo_unlike_its_class_is_found(photos):
    stripes = np.zeros((SIDE, SIDE, 3), dtype="uint8")
    stripes[:, ::4, 1] = 220
    stripes[::8] = [250, 250, 0]
    photos[13] = stripes
    assert results(photos, LABELS)["BG122"].rows == (13,)


CHANGED = {
    "mirrored": lambda photo: photo[:, ::-1],
    "cropped": lambda photo: unfit_image(photo[3:58, 6:61], (SIDE, SIDE), "stretch"),
    "relit": lambda photo: (photo * 0.7).astype("uint8"),
    "mirrored and relit": lambda photo: (photo[:, ::-1] * 0.8).astype("uint8"),
}


@pytest.mark.parametrize("how", CHANGED)
def test_mirrored_cropped_and_relit_photos_are_near_copies(photos, how):
    photos[41] = CHANGED[how](photos[7])
    tests = np.stack([make_photo(np.random.default_rng(k), 120) for k in range(1, 21)])
    tests[3] = CHANGED[how](photos[12])
    found = results(photos, LABELS, test=(tests, LABELS[:20]))
    assert found["BG107"].pairs == ((7, 41),)
    assert found["BG108"].pairs == ((12, 3),)


def test_changed_copies_are_found_in_either_order(photos):
    grey = photos[..., 1].copy()
    grey[41] = CHANGED["cropped"](photos[7])[..., 1]
    assert find_photo_copies(grey) == [(7, 41)]
    assert find_photo_copies(grey[::-1].copy()) == [(N - 42, N - 8)]
    assert find_photo_copies(grey[:41], grey[41:]) == [(7, 0)]
    assert find_photo_copies(grey[41:], grey[:41]) == [(0, 7)]


def test_what_takes_too_long_is_not_run_and_says_so(photos, monkeypatch):
    monkeypatch.setattr(examined, "MOST_COMPARED", 50)
    found = results(photos, LABELS)
    assert found["BG122"].outcome == found["BG123"].outcome == "not run"
    assert "60 training photos are more than 50" in found["BG123"].message
    monkeypatch.setattr(examined, "MOST_COPIED", 50)
    photos[41] = photos[7][:, ::-1]
    found = results(photos, LABELS)["BG107"]
    assert (found.outcome, "were not sought" in found.message) == ("passed", True)
    monkeypatch.setattr(examined, "MOST_PHOTOS", 50)
    found = results(photos, LABELS)
    assert {found[c].outcome for c in FLAWS} == {"not run"}


def test_small_images_are_no_photos(photos):
    found = results(photos[:, :28, :28], LABELS)
    assert {found[code].outcome for code in PHOTO_CODES} == {"not applicable"}
    assert "28 pixels" in found["BG115"].message


@pytest.fixture
def folder(tmp_path, photos):
    """Photos of 64 pixels, read at 32: faults that only full size shows."""
    for row, photo in enumerate(photos):
        place = tmp_path / "set" / ("<b>leaf" if LABELS[row] else "sky & sea")
        place.mkdir(parents=True, exist_ok=True)
        shown = blur(photo) if row == 7 else photo[:, ::-1] if row == 22 else photo
        Image.fromarray(shown).save(place / f"{row:02}<script>.png")
    Image.fromarray(photos[22]).save(place / "copy.png")
    return tmp_path / "set"


def test_files_are_checked_at_their_own_size(folder):
    inspection = balancegan.inspect(folder, size=(32, 32))
    assert inspection.image_format.image_shape == (32, 32, 3)
    found = inspection.findings.set_index("code")
    assert found.loc["BG118", "file"].endswith("07<script>.png")
    copies = found.loc["BG107"]
    assert {name.rsplit("/", 1)[1] for name in copies["file"]} == {
        "22<script>.png",
        "copy.png",
    }
    assert set(copies["other_file"]) == set(copies["file"])
    assert set(copies["other_row"]) == set(copies["row"])


def test_exact_copies_have_the_same_pixels_at_their_own_size(tmp_path, photos):
    for part in ("train", "test"):
        for row, photo in enumerate(photos):
            place = tmp_path / part / str(LABELS[row])
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photo if part == "train" else photo[::-1]).save(
                place / f"{row:02}.bmp"
            )
    copies = tmp_path / "train" / "0"
    # One pixel differs, which no reduced image shows; the other format is lossless
    changed = photos[4].copy()
    changed[5, 5, 0] ^= 1
    Image.fromarray(changed).save(copies / "changed.png")
    Image.fromarray(photos[8]).save(copies / "exact.png")
    Image.fromarray(changed).save(tmp_path / "test" / "0" / "changed_test.png")
    Image.fromarray(photos[8]).save(tmp_path / "test" / "0" / "exact_test.png")
    frame = balancegan.inspect(tmp_path, size=(4, 4)).findings
    names = frame["file"].str.rsplit("/", n=1).str[1]
    equal = set(names[frame["code"] == "BG104"])
    assert equal == {"08.bmp", "exact.png"}
    leaked = frame["code"] == "BG106"
    assert {"changed_test.png", "exact_test.png"} == set(
        names[leaked & (frame["part"] == "test")]
    )
    assert {"changed.png", "08.bmp", "exact.png"} == set(
        names[leaked & (frame["part"] == "train")]
    )
    near = frame["code"].isin(["BG107"])
    assert {"04.bmp", "changed.png"} <= set(names[near])


def test_python_and_the_command_line_find_the_same(folder, tmp_path):
    report = tmp_path / "report.html"
    told = run("inspect", folder, "--json", "--report", report)
    assert told.exit_code == 0, told.output
    inspection = balancegan.inspect(folder)
    findings = json.loads(told.stdout)["findings"]
    assert [(f["code"], f["outcome"], tuple(f["rows"])) for f in findings] == [
        (f.code, f.outcome, f.rows) for f in inspection.results
    ]
    inspection.to_html(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == report.read_text()
    assert "BG118" in repr(inspection)
    assert "<table" in inspection._repr_html_()


def test_the_report_stands_alone_and_escapes_names(folder, tmp_path):
    inspection = balancegan.inspect(folder)
    inspection.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<b>leaf" not in page
    assert "http" not in page.replace("http-equiv", "")
    for finding in inspection.results:
        assert finding.code in page
    # Each flagged file has a thumbnail: one blurred photo, and a pair
    assert page.count("data:image/") >= 3
    with pytest.raises(DataError, match=r"end in \.html.*report\.pdf"):
        inspection.to_html(tmp_path / "report.pdf")


def test_a_report_is_refused_before_anything_is_read(folder, tmp_path):
    for name in ("report.pdf", "nowhere/report.html", "set/sky & sea/copy.html"):
        refused = run("inspect", folder, "--report", tmp_path / name)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1), name
    (tmp_path / "there.html").write_text("mine")
    assert run("inspect", folder, "--report", tmp_path / "there.html").exit_code == 2
    assert (tmp_path / "there.html").read_text() == "mine"


def test_large_photos_are_scaled_down_one_at_a_time(tmp_path):
    Image.new("L", (3000, 1500), 80).save(tmp_path / "large.png")
    Image.new("RGBA", (30, 20)).save(tmp_path / "small.png")
    show = open_photos([tmp_path / "large.png", tmp_path / "small.png"])
    assert [show(row).shape for row in (0, 1)] == [(512, 1024, 1), (20, 30, 3)]


def test_what_is_no_image_set_is_refused(photos, folder):
    with pytest.raises(DataError, match="several shapes must be uint8"):
        balancegan.inspect([photos[0] / 255, photos[1][:9] / 255], [0, 1])
    with pytest.raises(DataError, match="their own labels and parts"):
        balancegan.inspect(folder, LABELS)
    with pytest.raises(DataError, match="Reading options.*size"):
        balancegan.inspect(photos, LABELS, size=(8, 8))
    with pytest.raises(DataError, match="y is None"):
        balancegan.inspect(photos)
    with pytest.raises(DataError, match="one entry of labels"):
        balancegan.inspect(photos, LABELS[:9])


def test_several_attributes_count_as_one_label(photos):
    y = pd.DataFrame({"what": LABELS, "when": np.arange(N) // 30})
    assert len(balancegan.inspect(photos, y).counts) == 4
