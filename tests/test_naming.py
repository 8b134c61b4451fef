import numpy as np
import pytest
from keras import layers

from balancegan import ConditionalGANAugmenter
from balancegan.gan import inversion
from balancegan.gan.naming import naming_anew

OTHERS = 8  # "add_10" is sorted before "add_9"
KINDS = (
    layers.Add,
    lambda: layers.Conv2D(2, 3),
    lambda: layers.Dense(2),
    layers.Multiply,
    lambda: layers.Reshape((1,)),
)


def build_others(n):
    """Layers of somebody else's, so that Keras counts on from there."""
    return [new() for new in KINDS for _ in range(n)]


def test_layers_are_counted_anew_and_then_on():
    build_others(OTHERS)
    before = layers.Dense(2).name
    with naming_anew():
        assert layers.Dense(2).name == "dense"
        with naming_anew():
            assert layers.Dense(2).name == "dense"
        assert layers.Dense(2).name == "dense_1"
    number = int(before.removeprefix("dense_"))
    assert layers.Dense(2).name == f"dense_{number + 1}"


def test_a_failure_leaves_the_counting_as_it_was():
    before = layers.Dense(2).name
    with pytest.raises(RuntimeError), naming_anew():
        raise RuntimeError
    assert layers.Dense(2).name not in ("dense", before)


@pytest.mark.compiled
def test_what_else_was_built_changes_no_bit(trained, small_set, tmp_path, monkeypatch):
    monkeypatch.setattr(inversion, "N_STEPS", 30)
    trained.save(tmp_path / "model")
    X, y = small_set
    own, found = X[y == "bag"], []
    for n_others in (0, OTHERS):
        with naming_anew():
            build_others(n_others)
            model = ConditionalGANAugmenter.load(tmp_path / "model").model_
            classes = np.full(len(own), model.classes.tolist().index("bag"))
            found.append(inversion.LatentFinder(model).find(own, classes))
    np.testing.assert_array_equal(found[0], found[1])
