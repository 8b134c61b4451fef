"""Some of the malformed inputs of ``make malformed``, and texts of targets."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balancegan import ConditionalGANAugmenter
from balancegan.balance import parse_strategy, plan_synthesis
from balancegan.errors import DataError
from fuzz import corpus as damages
from fuzz import malformed

from .conftest import make_images

EACH = 3  # of every kind and way in turn
LABELS = np.array([3, 3, 3, 5, 5])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    import tensorflow as tf

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Even though the `tf.config.experimental")
        tf.config.run_functions_eagerly(True)
        patch.setattr("balancegan.gan.callbacks.CHECKPOINT_SECONDS", 0.0)
        return malformed.make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    """One for all: Python lets nobody take such a hook off again."""
    room = tmp_path_factory.mktemp("room").resolve()
    return malformed.Guard(room)


def test_malformed_inputs_are_used_or_refused(corpus, guard, monkeypatch):
    room = type(guard.room)(guard.room)
    monkeypatch.setattr("tempfile.tempdir", room)
    n = EACH * len(corpus.makers)
    rows = [
        malformed.try_case(corpus, number, malformed.Path(room), guard)
        for number in range(1, n + 1)
    ]
    assert [row for row in rows if row["fault"]] == []
    assert {row["kind"] for row in rows} >= {"npz", "folder", "model", "checkpoint"}
    assert {row["outcome"] for row in rows} == {"used", "refused"}


def test_a_fault_is_seen(corpus, guard, monkeypatch):
    """The guard itself: another exception, a file elsewhere, too much memory."""
    room = malformed.Path(guard.room)

    def fail(*_):
        raise KeyError("unexpected")

    def write_elsewhere(*_):
        (room.parent / "elsewhere").write_text("a")

    def read_elsewhere(*_):
        open("/etc/hostname").close()

    def take_memory(*_):
        np.ones(300_000_000)

    for use, words in (
        (fail, "unexpected"),
        (write_elsewhere, "writes"),
        (read_elsewhere, "reads /etc/hostname"),
        (take_memory, "takes 2,"),
    ):
        monkeypatch.setattr(malformed, "use", use)
        assert words in malformed.try_case(corpus, 1, room, guard)["fault"]


@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_damage_is_the_same_again(content, seed):
    one, other = (damages.damage(damages.random.Random(seed), content) for _ in "ab")
    assert one == other


TEXTS = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[35a.=-]{0,6}=?[0-9eE.+-]{0,400}", fullmatch=True),
    st.sampled_from(
        ["auto", "not-majority", "0.5", "3=9", "5=9", "=", "3=", "9" * 5000]
    ),
)


@settings(max_examples=300)
@given(st.lists(TEXTS, max_size=3), st.sampled_from([None, 0.5, 3.0]))
def test_any_text_is_a_target_or_refused(texts, max_ratio):
    try:
        strategy = parse_strategy(
            texts, lambda name: int(name) if name in "35" else name
        )
        plan = plan_synthesis(LABELS, strategy, max_ratio)
    except DataError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert plan.keys() == {3, 5}
        assert all(0 <= n < 10**12 for n in plan.values())


def test_the_model_of_the_corpus_works(corpus, tmp_path):
    for name, content in corpus.model.items():
        (tmp_path / name).write_bytes(content)
    loaded = ConditionalGANAugmenter.load(tmp_path)
    assert loaded.sample(0, 1).shape == make_images(1).shape
