from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan.data.examined import ExaminedSet
from balancegan.data.image_checks import CHECKS, CHECKS_ACROSS, run_checks
from balancegan.data.image_parts import ImagePart
from balancegan.errors import DataError
from balancegan.quality.checks import OUTCOMES

from .conftest import make_images

N, N_TEST = 80, 40
ACROSS = {"BG106", "BG108", "BG109", "BG111", "BG113", "BG114"}
OF_PHOTOS = {*(f"BG{n}" for n in range(115, 124))}
LABELS, TEST_LABELS = np.arange(N) % 3, np.arange(N_TEST) % 3


@pytest.fixture
def train():
    groups = np.arange(N) // 4
    return ImagePart(make_images(N), LABELS.copy(), groups, sizes=np.full((N, 2), 50))


@pytest.fixture
def test():
    return ImagePart(make_images(N_TEST, seed=1), TEST_LABELS.copy(), 100 + TEST_LABELS)


def audit(*parts, **options):
    return {f.code: f for f in run_checks(ExaminedSet(*parts, **options))}


def alarms(findings):
    return {code for code, f in findings.items() if f.outcome in ("issue", "tip")}


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 8), (40, 30, 3), (9, 20, 6)])
def test_a_clean_set_passes_everything(shape, dtype):
    groups = np.arange(N) // 4
    train = ImagePart(make_images(N, shape, dtype), LABELS, groups)
    test = ImagePart(
        make_images(N_TEST, shape, dtype, 1), TEST_LABELS, -1 - TEST_LABELS
    )
    findings = audit(replace(train, sizes=np.full((N, 2), 50)), test)
    small = {code for code, f in findings.items() if f.outcome == "not applicable"}
    assert small == OF_PHOTOS
    assert {f.outcome for f in findings.values()} == {"passed", "not applicable"}
    assert findings.keys() == {*CHECKS, *CHECKS_ACROSS}
    assert not any(f.rows or f.test_rows or f.pairs for f in findings.values())


def test_a_check_that_cannot_run_has_not_passed():
    findings = audit(ImagePart(make_images(N), LABELS))
    outcomes = {code for code, f in findings.items() if f.outcome == "not applicable"}
    assert outcomes == {*ACROSS, *OF_PHOTOS, "BG103"}
    no_test = audit(
        ImagePart(make_images(N), LABELS), ImagePart(make_images(0), LABELS[:0])
    )
    assert {code: f.outcome for code, f in no_test.items()} == {
        code: f.outcome for code, f in findings.items()
    }


def test_test_images_of_another_size_are_not_compared(train, test):
    findings = audit(train, replace(test, images=make_images(N_TEST, (9, 8))))
    assert {c for c, f in findings.items() if f.outcome == "not run"} == {
        "BG106",
        "BG108",
        "BG114",
    }
    assert "(9, 8)" in findings["BG106"].message
    # A channel axis is no other size
    images = make_images(N_TEST, (8, 8, 1), seed=1)
    images[3, ..., 0] = train.images[5]
    findings = audit(train, replace(test, images=images))
    assert findings["BG106"].pairs == ((5, 3),)


def test_copies_and_conflicts(train, test):
    train.images[[20, 50]] = train.images[11]
    train.images[70] = train.images[1]
    findings = audit(train, test)
    assert alarms(findings) == {"BG104"}  # equal images of one class: no conflict
    assert findings["BG104"].rows == (1, 11, 20, 50, 70)
    assert findings["BG104"].pairs == ((1, 70), (11, 20), (11, 50))
    assert "Of 80 training images 3 are an exact copy" in findings["BG104"].message
    assert "row 1 and row 70" in findings["BG104"].message


def test_few_copies_are_a_tip():
    images, labels = make_images(300), np.arange(300) % 3
    images[33] = images[3]
    finding = audit(ImagePart(images, labels))["BG104"]
    assert (finding.outcome, finding.pairs) == ("tip", ((3, 33),))


def test_a_conflict_names_both_classes(train, test):
    train.images[[20, 50, 71]] = train.images[11]
    train.labels[71] = 0
    finding = audit(train, test, name=["bag", "boot", "sock"].__getitem__)["BG105"]
    assert finding.outcome == "issue"
    assert finding.rows == (11, 20, 50, 71)
    assert finding.pairs == ((11, 71),)
    assert "1 image in the training part" in finding.message
    assert "row 11 (sock) and row 71 (bag)" in finding.message


def test_test_images_in_training(train, test):
    train.images[0] = test.images[0] = 0  # left out, so that rows and places differ
    train.images[70] = train.images[9]
    test.images[[4, 6]] = train.images[[70, 31]]
    findings = audit(train, test)
    leak = findings["BG106"]
    assert leak.outcome == "issue"
    assert (leak.rows, leak.test_rows) == ((9, 31, 70), (4, 6))
    assert leak.pairs == ((9, 4), (31, 6))
    assert "training row 9 and test row 4" in leak.message
    assert "2 pairs with different labels" in leak.message
    assert findings["BG108"].outcome == "passed"


def test_equal_test_images_of_different_labels(train, test):
    test.images[0] = 0  # left out, so that rows and places differ
    test.images[[12, 33]] = test.images[9]
    test.images[7] = test.images[1]  # of one class: no conflict
    test.labels[33] = 2
    for images in (test.images, test.images[:, :6]):  # compared with training, or not
        findings = audit(train, replace(test, images=images), name="abc".__getitem__)
        assert alarms(findings) <= {"BG102", "BG113"}
        finding = findings["BG113"]
        assert (finding.outcome, finding.rows) == ("issue", ())
        assert (finding.test_rows, finding.pairs) == ((9, 12, 33), ((9, 33),))
        assert "1 image in the test part" in finding.message
        assert "test row 9 (a) and test row 33 (c)" in finding.message


def test_equal_images_of_different_labels_across_parts(train, test):
    names = ["bag", "boot", "sock"].__getitem__
    test.images[[3, 6]] = train.images[[6, 9]]
    assert audit(train, test, name=names)["BG114"].outcome == "passed"
    test.labels[3] = 2
    finding = audit(train, test, name=names)["BG114"]
    assert (finding.outcome, finding.pairs) == ("issue", ((6, 3),))
    assert (finding.rows, finding.test_rows) == ((6,), (3,))
    assert "1 test image is in the training part with another" in finding.message
    assert "training row 6 (bag) and test row 3 (sock)" in finding.message
    # Row 8 agrees, row 12 is another copy with the label of row 6
    train.images[[7, 8, 12]] = train.images[6]
    finding = audit(train, test)["BG114"]
    assert (finding.rows, finding.test_rows) == ((6, 7, 12), (3,))
    assert finding.pairs == ((6, 3), (7, 3))
    # As many copies as there are images do not make as many pairs as there could be
    train.images[:], test.images[:] = train.images[6], train.images[6]
    finding = audit(train, test)["BG114"]
    assert (len(finding.rows), len(finding.test_rows)) == (N, N_TEST)
    assert len(finding.pairs) == 2 * N_TEST


def test_nearly_equal_images(train, test):
    lighter = np.clip(train.images[[3, 5]].astype(int) + 4, 0, 255)
    train.images[60] = lighter[0]
    test.images[7] = lighter[1]
    test.labels[7] = LABELS[5]
    findings = audit(train, test)
    assert alarms(findings) == {"BG107", "BG108"}
    assert (findings["BG107"].rows, findings["BG107"].pairs) == ((3, 60), ((3, 60),))
    assert "different labels" not in findings["BG107"].message
    across = findings["BG108"]
    assert (across.rows, across.test_rows, across.pairs) == ((5,), (7,), ((5, 7),))
    assert "training row 5 and test row 7" in across.message
    test.labels[7] = 7
    assert "1 pair with different labels" in audit(train, test)["BG108"].message


def test_constant_images_are_named_once(train, test):
    train.images[[2, 40]] = 0
    train.images[41] = 255
    train.images[41, 3, 3] = 253  # as JPEG would leave it
    test.images[9] = 0
    findings = audit(train, test)
    assert alarms(findings) == {"BG102"}
    assert findings["BG102"].rows == (2, 40, 41)
    assert findings["BG102"].test_rows == (9,)
    assert "3 training images (row 2, row 40, row 41)" in findings["BG102"].message


def test_traces_of_jpeg_are_constant_though_most_images_are_empty(train):
    n = len(train.images) * 2 // 3
    train.images[:n] = 255
    train.images[3, 3, 3] = 253
    assert audit(train)["BG102"].rows == tuple(range(n))


def test_one_colour_is_constant_though_its_channels_differ():
    images = make_images(N, (8, 8, 3))
    images[5] = [10, 200, 30]
    assert audit(ImagePart(images, LABELS))["BG102"].rows == (5,)


def test_nan_and_infinity(test):
    images = make_images(N, dtype="float32")
    images[4, 1, 1], images[9], images[11, 0, 0] = np.nan, np.inf, -2e38
    findings = audit(ImagePart(images, LABELS), replace(test, images=test.images / 255))
    assert alarms(findings) == {"BG101"}
    assert findings["BG101"].rows == (4, 9, 11)
    assert "3 training images with NaN, infinity or" in findings["BG101"].message


def test_values_far_from_the_rest(test):
    images = make_images(N, dtype="float64")
    images[4, 1, 1], images[9] = 37, images[9] * 255
    images[10, 1, 1] = 1.05  # enlarging overshoots
    findings = audit(ImagePart(images, LABELS), replace(test, images=test.images / 255))
    assert alarms(findings) == {"BG101"}
    assert findings["BG101"].rows == (4, 9)
    assert "far outside 0 to 1 (row 4, row 9)" in findings["BG101"].message


def test_images_on_another_scale_than_the_rest(train, test):
    images = train.images.astype(float)
    images[7] /= 255
    images[8] //= 200  # dark, not scaled: whole numbers
    tests = test.images / 255
    images[9:12] /= 255  # near each other, far from the others
    findings = audit(replace(train, images=images), replace(test, images=tests))
    assert findings["BG101"].rows == (7, 9, 10, 11)
    assert findings["BG101"].test_rows == tuple(range(N_TEST))
    assert alarms(findings) == {"BG101", "BG102"}
    assert findings["BG102"].rows == (8,)
    # What cannot be compared has not passed
    for code in ("BG106", "BG108", "BG113", "BG114"):
        assert findings[code].outcome == "not run"


def test_a_declared_range_is_exact(train):
    images = make_images(N, dtype="float64") * 0.99
    images[3, 0, 0] = 1.01
    options = {"value_range": (0.0, 1.0)}
    assert audit(replace(train, images=images))["BG101"].outcome == "passed"
    assert audit(replace(train, images=images), **options)["BG101"].rows == (3,)


def test_images_with_a_range_of_their_own_are_left_alone(rng):
    images = rng.normal(size=(N, 8, 8)) * 1000
    assert audit(ImagePart(images, LABELS))["BG101"].outcome == "passed"


def test_groups_in_both_parts(train, test):
    groups = test.groups.copy()
    groups[[5, 8]] = train.groups[40]
    findings = audit(train, replace(test, groups=groups))
    assert alarms(findings) == {"BG109"}
    finding = findings["BG109"]
    assert (finding.rows, finding.test_rows) == ((40, 41, 42, 43), (5, 8))
    assert "1 has test images too (10): 2 test images of 40" in finding.message
    assert audit(train, replace(test, groups=None))["BG109"].outcome == "not run"


def test_small_classes(train):
    labels = np.repeat(["many", "few", "rare"], [61, 16, 3])
    finding = audit(replace(train, labels=labels), name=str.upper)["BG110"]
    assert finding.outcome == "issue"
    assert "FEW: 16, RARE: 3." in finding.message
    assert "fewer than 20" in finding.message
    assert finding.rows == tuple(range(61, 80))
    labels = np.repeat(["many", "few"], [64, 16])
    assert audit(replace(train, labels=labels))["BG110"].outcome == "tip"


def test_classes_of_one_part_only(train, test):
    called = dict(enumerate(["bag", "boot", "sock"]))

    def names(label):
        return called.get(label, str(label))

    test.labels[test.labels == 1] = 2
    finding = audit(train, test, name=names)["BG111"]
    assert (finding.outcome, finding.test_rows) == ("tip", ())
    assert finding.rows == tuple(np.flatnonzero(LABELS == 1))
    assert "No test image shows class boot" in finding.message
    test.labels[3] = 9
    finding = audit(train, test, name=names)["BG111"]
    assert (finding.outcome, finding.test_rows) == ("issue", (3,))
    assert "No training image shows class 9" in finding.message


def test_high_imbalance(train):
    labels = np.repeat([0, 1], [74, 6])
    assert audit(replace(train, labels=labels))["BG112"].outcome == "tip"
    assert audit(train)["BG112"].outcome == "passed"


def test_unequal_sizes(train):
    sizes = train.sizes.copy()
    sizes[[3, 7]] = [[20, 30], [400, 300]]
    finding = audit(replace(train, sizes=sizes))["BG103"]
    assert (finding.outcome, finding.rows) == ("tip", (3, 7))
    words = "the smallest 20x30, the median 50x50, the largest 400x300"
    assert words in finding.message


def test_images_are_called_by_their_names(train, test):
    names = [f"a/{row}.png" for row in range(N)]
    train.images[[20, 22, 24, 26, 28, 30]] = train.images[11]
    test.images[0] = train.images[2]
    findings = audit(replace(train, names=names), test)
    assert "a/11.png and a/20.png" in findings["BG104"].message
    assert "row" not in findings["BG104"].message
    assert findings["BG104"].message.count(" and a/") == 5
    assert findings["BG104"].pairs[5] == (11, 30)
    assert "a/2.png and test row 0" in findings["BG106"].message


def test_the_worst_comes_first(train, test):
    train.images[3] = 0
    test.labels[test.labels == 1] = 2
    outcomes = [f.outcome for f in audit(train, replace(test, groups=None)).values()]
    assert outcomes == sorted(outcomes, key=OUTCOMES.index)
    assert outcomes[:3] == ["issue", "tip", "not run"]


def plant_everything(train, test):
    """Plant one or two of each fault that can be found in the pixels."""
    train.images[20] = train.images[11]
    train.images[21] = train.images[13]
    train.images[40] = 9
    train.images[50] = np.clip(train.images[12].astype(int) + 4, 0, 255)
    test.images[4] = train.images[30]
    test.images[6] = np.clip(train.images[31].astype(int) + 4, 0, 255)


def test_the_order_of_rows_does_not_matter(train, test, rng):
    plant_everything(train, test)
    before = audit(train, test)
    assert len(alarms(before)) >= 6
    order, test_order = rng.permutation(N), rng.permutation(N_TEST)
    shuffled = ImagePart(
        *(a[order] for a in (train.images, train.labels, train.groups))
    )
    shuffled_test = ImagePart(
        test.images[test_order], test.labels[test_order], test.groups
    )
    after = audit(replace(shuffled, sizes=train.sizes), shuffled_test)
    for code, finding in before.items():
        found = after[code]
        assert found.outcome == finding.outcome
        assert {order[row] for row in found.rows} == set(finding.rows)
        assert {test_order[row] for row in found.test_rows} == set(finding.test_rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uint8_and_float_images_give_the_same_findings(train, test, dtype):
    plant_everything(train, test)
    before = audit(train, test)
    parts = [
        replace(part, images=(part.images / np.float64(255)).astype(dtype))
        for part in (train, test)
    ]
    after = audit(*parts)
    assert after.pop("BG101").outcome == before.pop("BG101").outcome == "passed"
    assert after == before


def test_parts_stored_unlike_are_compared_by_value(train, test):
    test.images[4] = train.images[30]
    as_float = replace(test, images=test.images.astype(">f4"))
    assert audit(train, as_float)["BG106"].pairs == ((30, 4),)


@given(
    rows=st.lists(st.integers(0, N - 1), min_size=2, max_size=30, unique=True),
    test_rows=st.lists(st.integers(0, N_TEST - 1), max_size=20, unique=True),
)
def test_exactly_the_planted_copies_are_found(rows, test_rows):
    images, test_images = make_images(N), make_images(N_TEST, seed=1)
    originals, copies = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    sources = [originals[i % len(originals)] for i in range(len(copies))]
    images[copies] = images[sources]
    origins = [rows[i % len(rows)] for i in range(len(test_rows))]
    test_images[test_rows] = images[origins]
    findings = audit(ImagePart(images, LABELS), ImagePart(test_images, TEST_LABELS))
    assert set(findings["BG104"].rows) == set(sources) | set(copies)
    assert len(findings["BG104"].pairs) == len(copies)
    assert findings["BG106"].test_rows == tuple(sorted(test_rows))
    assert not alarms(findings) & {"BG107", "BG108"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": LABELS[:5]}, "5 labels for 80 training images"),
        ({"groups": LABELS[:5]}, "5 groups for 80"),
        ({"names": ["a"]}, "1 names for 80"),
        ({"images": make_images(N).reshape(N, -1)}, "shape (80, 64)"),
        ({"images": make_images(N).astype(str)}, "Images must be numbers"),
        ({"images": make_images(N)[:, :0]}, "must have pixels"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(train, test, change, words):
    with pytest.raises(DataError) as error:
        audit(replace(train, **change))
    assert words in str(error.value)
    with pytest.raises(DataError, match="test images"):
        audit(train, replace(train, **change))


def test_without_images_there_is_nothing_to_audit():
    with pytest.raises(DataError, match="Received: none"):
        audit(ImagePart(make_images(0), LABELS[:0]))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_handful_of_images(n):
    findings = audit(ImagePart(make_images(n), np.arange(n)))
    assert findings["BG107"].outcome == "not applicable"
    assert alarms(findings) == {"BG110"}


def test_a_set_of_nothing_but_bad_images():
    nothing = audit(ImagePart(np.full((N, 8, 8), np.nan), LABELS))
    assert nothing["BG101"].rows == tuple(range(N))
    assert alarms(nothing) == {"BG101"}
    assert alarms(audit(ImagePart(np.zeros((N, 8, 8)), LABELS))) == {"BG102"}
