import numpy as np
import pytest

from balancegan.gan.selection import Selection, count_images, select

# Four digits in three colours: of digit 2 no image is of colour 0, of 3 there is none
# of colour 1 or 2
COUNTS = np.array([[10, 10, 10], [60, 30, 10], [0, 5, 15], [9, 0, 0]])
MANY = 4_000


def shares(selection, n_classes=COUNTS.size):
    drawn = selection.draw(seed=0, start=0, n=MANY)
    assert drawn.dtype == np.int32
    return np.bincount(drawn, minlength=n_classes).reshape(COUNTS.shape) / MANY


@pytest.mark.parametrize("wanted", [(1, None), (2, None), (None, 0), (None, None)])
def test_what_is_left_open_is_drawn_as_the_data_have_it(wanted):
    fitting = np.zeros(COUNTS.shape)
    digits, colours = (slice(None) if w is None else slice(w, w + 1) for w in wanted)
    fitting[digits, colours] = COUNTS[digits, colours]
    # 4,000 draws: four standard errors are below 0.032
    drawn = shares(select(COUNTS, wanted))
    np.testing.assert_allclose(drawn, fitting / fitting.sum(), atol=0.032)
    assert not drawn[fitting == 0].any()


def test_one_class_is_always_drawn():
    assert set(select(COUNTS, (3, 0)).draw(0, 0, 50).tolist()) == {9}
    assert set(select(COUNTS, (3, 2)).draw(0, 0, 50).tolist()) == {11}
    assert set(select(COUNTS, (3, None)).draw(0, 0, 50).tolist()) == {9}
    assert set(Selection.of_class(7).draw(0, 0, 50).tolist()) == {7}


def test_open_attributes_of_unseen_values_are_drawn_independently():
    # Digit 1 is never of colour 0; a third attribute is 0 in three of four images
    counts = np.zeros((2, 2, 2), int)
    counts[0, 0], counts[1, 1] = [40, 0], [20, 20]
    wanted = (1, 0, None)
    assert count_images(counts, wanted) == 0
    drawn = select(counts, wanted).draw(0, 0, MANY)
    assert set(drawn.tolist()) == {4, 5}
    np.testing.assert_allclose(np.bincount(drawn)[4:] / MANY, [0.75, 0.25], atol=0.032)


def test_the_class_of_image_k_does_not_depend_on_the_number():
    selection = select(COUNTS, (1, None))
    whole = selection.draw(5, 0, 100)
    np.testing.assert_array_equal(selection.draw(5, 30, 9), whole[30:39])
    assert (selection.draw(6, 0, 100) != whole).any()


def test_draws_of_two_requests_are_not_the_same():
    # Equal frequencies, and yet image k need not be of the same colour
    counts = np.full((2, 2), 9)
    first, second = (select(counts, (digit, None)).draw(0, 0, 200) for digit in (0, 1))
    agree = np.mean(first % 2 == second % 2)
    assert 0.35 < agree < 0.65


def test_images_of_a_request_are_counted():
    assert count_images(COUNTS, (None, 2)) == 35
    assert count_images(COUNTS, (2, 0)) == 0
    assert count_images(COUNTS, (None, None)) == COUNTS.sum()
