import numpy as np
import pytest

from balancegan.gan.losses import LOSSES, binary_cross_entropy, relativistic

LN2 = np.log(2)


@pytest.mark.parametrize(
    ("loss", "at_zero"),
    [(binary_cross_entropy, (2 * LN2, LN2)), (relativistic, (LN2, LN2))],
)
def test_losses_of_an_undecided_discriminator(loss, at_zero):
    zeros = np.zeros(3, "float32")
    for losses, expected in zip(loss(zeros, zeros), at_zero, strict=True):
        np.testing.assert_allclose(losses, np.full(3, expected), rtol=1e-6)


def test_binary_cross_entropy_is_that_of_the_sigmoid():
    real, fake = np.float32([1.5, -0.5]), np.float32([0.2, 3.0])
    d_loss, g_loss = binary_cross_entropy(real, fake)
    p_real, p_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    expected = -np.log(p_real) - np.log(1 - p_fake)
    np.testing.assert_allclose(d_loss, expected, rtol=1e-5)
    np.testing.assert_allclose(g_loss, -np.log(p_fake), rtol=1e-5)


def test_relativistic_sees_only_differences():
    real, fake = np.float32([1.5, -0.5]), np.float32([0.2, 3.0])
    for before, after in zip(
        relativistic(real, fake), relativistic(real + 10, fake + 10), strict=True
    ):
        np.testing.assert_allclose(before, after, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_both_sides_pull_in_opposite_directions(loss):
    real = np.zeros(1, "float32")
    worse, better = (loss(real, np.float32([fake])) for fake in (-2.0, 2.0))
    assert worse[0] < better[0]  # a convincing image is bad for the discriminator
    assert worse[1] > better[1]  # and good for the generator
