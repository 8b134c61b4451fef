"""What tells builders of networks apart, so that no checkpoint serves another."""

import subprocess
import sys
from functools import partial

import pytest

from balancegan.gan.checkpoint import describe_builder


def build(shape, width=8):
    return [width + len(n) for n in shape if n in {"a", "b", "c", "d"}]


def closing_over(width):
    def inner(shape):
        return width * shape

    return inner


class Builder:
    def __init__(self, width=1):
        self.width = width

    def __call__(self, shape):
        return shape

    def build(self, shape):
        return shape * self.width


class Other(Builder):
    def __call__(self, shape):
        return shape + 1


DIFFERENT = [
    build,
    partial(build, width=16),
    partial(build, width=17),
    partial(build, (1, 2)),
    closing_over(1),
    closing_over(2),
    lambda shape: shape + 1,
    lambda shape: shape + 2,
    lambda shape: shape.relu(),
    lambda shape: shape.tanh(),
    lambda shape, width=3: shape + 1,
    Builder(),
    Builder(2),
    Builder(3).build,
    Builder(4).build,
    Other(),
    dict,
    None,
]


def test_different_builders_have_different_descriptions():
    assert len(set(map(describe_builder, DIFFERENT))) == len(DIFFERENT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: partial(build, width=16),
        lambda: partial(build, Builder()),  # which lies elsewhere
        lambda: closing_over(2),
        Builder,
    ],
)
def test_the_same_builder_has_one_description(make):
    assert describe_builder(make()) == describe_builder(make())


def test_descriptions_are_the_same_in_another_process():
    said = "from tests import test_builders as t; print(list(map(t.describe_builder, "
    said += "t.DIFFERENT)))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", said],
            env={"PYTHONHASHSEED": seed, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
