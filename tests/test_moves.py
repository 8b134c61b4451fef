"""How copies are moved, and what is found out of moves, on sets with known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan.attributes import Attributes, Labels
from balancegan.cli import option_types
from balancegan.errors import DataError
from balancegan.images import find_format
from balancegan.quality.judges import CrossFittedJudge
from balancegan.samplers import move_finder
from balancegan.samplers.copies import (
    HALF_TURN,
    MIRRORED,
    MOVES,
    QUARTER_TURN,
    SHIFTED,
    MovedCopies,
    list_moves,
)
from balancegan.samplers.move_finder import compare, find_moves


def copies_of(image, moves, moved=0.5):
    images = image[None]
    zeros = np.zeros(1, int)
    return MovedCopies(images, zeros, zeros, find_format(images), 0, moved, moves)


def the_eight(image):
    """Return an image in each of its eight positions, with the names of the moves."""
    turned = {turns: np.rot90(image, turns) for turns in range(4)}
    return {
        (is_mirrored, turns): (np.rot90(image[:, ::-1], turns) if is_mirrored else each)
        for turns, each in turned.items()
        for is_mirrored in (False, True)
    }


@pytest.mark.parametrize(
    ("moves", "n_positions"),
    [
        ((), 1),
        ((MIRRORED,), 2),
        ((HALF_TURN,), 2),
        ((QUARTER_TURN,), 4),
        ((MIRRORED, HALF_TURN), 4),
        ((MIRRORED, QUARTER_TURN), 8),
    ],
)
def test_every_position_that_moves_allow_is_as_likely(moves, n_positions):
    image = np.arange(48, dtype="uint8").reshape(4, 4, 3)
    places = {each.tobytes(): name for name, each in the_eight(image).items()}
    copies = copies_of(image, moves)
    found = [places[copies.apply(k, image).tobytes()] for k in range(400)]
    counts = [found.count(place) for place in set(found)]
    assert len(counts) == n_positions
    assert min(counts) > 0.6 * 400 / n_positions
    for k, (is_mirrored, turns) in enumerate(found):
        said = copies.describe(k, (4, 4))
        assert ("mirrored" in said) == is_mirrored
        assert (f"turned {90 * turns} degrees" in said) == (turns > 0)
        assert copies.is_moved(k) == (is_mirrored or turns > 0) == bool(said)


def test_turns_leave_the_shifts_of_copies_as_they_were():
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype="uint8")
    before, after = copies_of(image, (SHIFTED,)), copies_of(image, MOVES)
    for k in range(60):
        assert before._move(k, (28, 28))[2:] == after._move(k, (28, 28))[2:]
    shifted = [after._move(k, (28, 28)) for k in range(200)]
    shifted = [move for move in shifted if move.down or move.right]
    assert 0.3 < np.mean([move.is_mirrored for move in shifted]) < 0.7
    assert 0.3 < np.mean([move.turns >= 2 for move in shifted]) < 0.7
    never = copies_of(image, (MIRRORED,), moved=1.0)
    assert not any(any(never._move(k, (28, 28))[2:]) for k in range(60))


@given(
    st.integers(4, 9),
    st.integers(4, 9),
    st.integers(0, 999),
    st.sets(st.sampled_from(MOVES)),
)
def test_a_copy_keeps_size_type_and_class_of_an_oblong_image(height, width, k, moves):
    image = np.arange(height * width * 3, dtype="uint16").reshape(height, width, 3)
    copy = copies_of(image, tuple(moves)).apply(k, image)
    assert (copy.shape, copy.dtype) == (image.shape, image.dtype)
    assert set(copy.ravel()) <= set(image.ravel())
    if SHIFTED not in moves:
        assert sorted(copy.ravel()) == sorted(image.ravel())


def test_moves_are_listed_and_what_is_none_is_refused():
    assert option_types.MOVES == MOVES
    assert list_moves("auto") is None
    assert list_moves(["quarter-turn", "mirror"]) == (MIRRORED, QUARTER_TURN)
    for wrong in ("flip", [], ["auto", "mirror"], ["none", "shift"], [3]):
        with pytest.raises(DataError, match="moves="):
            list_moves(wrong)


def drawn(shapes, n=30, size=8):
    """Return noisy images of shapes, a class each, placed within a pixel at random."""
    rng = np.random.default_rng(0)
    images = rng.normal(60, 12, (len(shapes) * n, size, size, shapes[0].shape[2]))
    classes = np.repeat(np.arange(len(shapes)), n)
    for image, index in zip(images, classes, strict=True):
        shape = shapes[index]
        sides = shape.shape[:2]
        middle = (size - np.array(sides)) // 2
        top, left = middle + rng.integers(-1, 2, 2)
        image[top : top + sides[0], left : left + sides[1]] += 120 * shape
    return images.clip(0, 255).astype("uint8"), classes


def found_in(images, classes):
    attributes, indices = Attributes.learn(Labels.of_one(classes))
    return find_moves(images, indices, find_format(images), attributes, seed=0)


def grey(text):
    return np.array([[[c == "#"] for c in row] for row in text.split()], float)


def test_classes_told_by_colour_may_be_mirrored_and_turned():
    blob = np.ones((4, 4, 1))
    images, classes = drawn([blob * colour for colour in np.eye(3)[:, None, None]])
    found = found_in(images, np.array(["red", "green", "blue"])[classes])
    assert found.allowed == MOVES
    assert found.table["passes"].eq(True).all()
    assert found.table["n"].tolist() == [30] * 9
    assert found.table["class"].tolist() == ["blue", "green", "red"] * 3
    assert found.sentence.startswith("Copies may be mirrored and turned by 180")
    assert "less" not in found.sentence


def test_arrows_told_by_their_direction_are_only_shifted():
    right = grey("#...  ##..  ####  ##..  #...".replace("  ", " "))
    found = found_in(*drawn([right, right[:, ::-1]], n=60))
    assert found.allowed == (SHIFTED,)
    mirrored = found.table[found.table["move"] == MIRRORED]
    assert (mirrored["recognised"] > 0.9).all()
    assert (mirrored["recognised_moved"] < 0.2).all()
    assert "Recognised less: 2 of 2 classes if mirrored" in found.sentence


def test_letters_that_are_each_other_s_mirror_images_are_only_shifted():
    b = grey("#... #... ###. #.## ###.")
    letters = [np.rot90(each, k) for each in (b, b[:, ::-1]) for k in (0, 2)]
    found = found_in(*drawn(letters))
    assert found.allowed == (SHIFTED,)
    assert not found.table["passes"].eq(True).any()


def test_a_class_that_is_only_unfamiliar_when_mirrored_does_not_forbid_it():
    left = grey("##.... ##.... ##....")
    symmetric = [grey("###### ...... ######"), grey("..##.. ..##.. ..##..")]
    found = found_in(*drawn([left, *symmetric]))
    assert MIRRORED in found.allowed
    row = found.table.query("move == 'mirror' and `class` == 0").iloc[0]
    assert row["recognised_moved"] < 0.3 < 0.6 < row["recognised_familiar"]


def test_a_pair_of_mirror_images_forbids_what_most_other_classes_bear():
    left = grey("##.... ##.... ##....")
    others = [grey("###### ...... ######"), grey("..##.. ..##.. ..##.."), 0 * left]
    found = found_in(*drawn([left, left[:, ::-1], *others], n=29))
    assert MIRRORED not in found.allowed
    familiar = found.table.query("move == 'mirror'")["recognised_familiar"]
    assert (familiar[:2] < 0.8).all()


def test_no_judge_has_seen_an_image_that_it_classifies_moved(monkeypatch):
    seen, asked = {}, []

    class Remembers(CrossFittedJudge):
        def _new_judge(self, fold):
            judge = super()._new_judge(fold)
            train = judge.train

            def remember(numbers, *others):
                seen[id(self), fold] = set(numbers % 90)
                train(numbers, *others)

            judge.train = remember
            return judge

        def judge_by(self, fold, numbers, classes):
            asked.append(seen[id(self), fold].isdisjoint(numbers % 90))
            return super().judge_by(fold, numbers, classes)

    monkeypatch.setattr(move_finder, "CrossFittedJudge", Remembers)
    left = grey("##.... ##.... ##....")
    others = [grey("###### ...... ######"), grey("..##.. ..##.. ..##..")]
    found = found_in(*drawn([left, *others]))
    assert found.table["recognised_familiar"].notna().any()
    assert asked
    assert all(asked)


def exposures(images, classes, n=6):
    """Return each image n times, as bright as may be, with a little noise."""
    rng = np.random.default_rng(1)
    images = np.repeat(images, n, axis=0).astype(float)
    images *= rng.uniform(0.6, 1.0, (len(images), 1, 1, 1))
    images += rng.normal(0, 2, images.shape)
    return images.clip(0, 255).astype("uint8"), np.repeat(classes, n)


def test_judges_hold_near_copies_out_together(monkeypatch):
    folds = []

    class Remembers(CrossFittedJudge):
        def train(self, *others, **settings):
            super().train(*others, **settings)
            folds.append(self.folds)

    monkeypatch.setattr(move_finder, "CrossFittedJudge", Remembers)
    left = grey("##.... ##.... ##....")
    others = [grey("###### ...... ######"), grey("..##.. ..##.. ..##..")]
    images, classes = drawn([left, *others], n=10)
    images = images + np.random.default_rng(2).integers(0, 60, images.shape)
    found_in(*exposures(images, classes))
    assert folds
    for each in folds:
        for versions in each.reshape(-1, 180):
            objects = versions.reshape(30, 6)
            assert (objects == objects[:, :1]).all()
            assert all(len(set(own)) == 3 for own in objects[:, 0].reshape(3, 10))


def test_exposures_of_one_object_do_not_forbid_moves():
    """A judge that has seen some of them recognises the others only unmoved."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], 20)
    images = rng.normal(110, 40, (40, 8, 8, 3))
    images[classes == 1, ..., 0] += 15
    found = found_in(*exposures(images, classes))
    assert found.allowed == MOVES
    assert found.table["recognised"].lt(0.9).all()


def test_a_chain_of_near_copies_over_most_of_a_class_is_left_alone_and_said():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 200, (2, 8, 8, 1))
    steps = np.linspace(0, 1, 40)[:, None, None, None]
    chain, others = one + steps * (other - one), rng.integers(0, 200, (40, 8, 8, 1))
    images, classes = np.concatenate([chain, others]), np.repeat([0, 1], 40)
    groups, n_chained = move_finder.group_near_copies(images.astype("float32"), classes)
    assert groups.tolist() == list(range(80))
    assert n_chained == 1
    table = compare(classes, np.ones(80), np.zeros(80)).assign(move=MIRRORED)
    said = move_finder._describe(table, [MIRRORED], [], n_chained)
    assert "near copies of one another: in 1 of 2 classes." in said


def test_oblong_images_are_not_tried_turned_by_90_degrees():
    images, classes = drawn([np.ones((4, 4, 1)), 0 * np.ones((4, 4, 1))], n=20)
    found = found_in(images[:, :6], classes)
    assert found.allowed == (SHIFTED, MIRRORED, HALF_TURN)


def test_classes_that_are_not_recognised_say_nothing():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (60, 8, 8), dtype="uint8")
    found = found_in(noise, np.repeat([0, 1, 2], 20))
    assert found.allowed == (SHIFTED,)
    assert found.table["passes"].isna().all()
    assert "too few" in found.sentence
    assert "classes that are recognised: 0 of 3)" in found.sentence


def test_a_few_recognised_classes_do_not_speak_for_the_rest():
    classes = np.repeat(np.arange(10), 20)
    for n_known, is_borne in ((2, False), (4, True)):
        unmoved = (classes < n_known).astype(float)
        table = compare(classes, unmoved, unmoved).assign(move=MIRRORED)
        assert move_finder._is_borne(table) == is_borne
        allowed = [MIRRORED] if is_borne else []
        said = move_finder._describe(table, [MIRRORED], allowed, 0)
        assert f"{n_known} of 10" in said
        assert ("only shifted" in said) == (not is_borne)
        assert ("Recognised too rarely to tell: 6 of 10 classes." in said) == is_borne


def test_a_class_of_few_images_has_less_say_than_others():
    classes = np.repeat([0, 1, 2, 3], [40, 3, 3, 1])
    unmoved = np.ones(47)
    unmoved[-1] = np.nan  # seen by every judge
    moved = np.where(classes == 0, 1.0, 0.0)
    table = compare(classes, unmoved, moved)
    assert table["passes"].tolist() == [True, False, False, None]
    assert move_finder._is_borne(table)
    assert not move_finder._is_borne(compare(classes, unmoved, 1 - moved))
    again = compare(classes, unmoved, moved, familiar=np.ones(47))
    assert again["passes"].tolist() == [True, True, True, None]


def test_at_most_10_percent_of_a_class_may_be_lost():
    classes, unmoved = np.repeat([0, 1], 1_000), np.ones(2_000)
    for lost, passes in ((80, True), (150, False)):
        moved = np.ones(2_000)
        moved[:lost] = 0
        assert compare(classes, unmoved, moved)["passes"].tolist() == [passes, True]
