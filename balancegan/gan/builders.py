"""Builders of networks: what they take, and what is asked of a user's own."""

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import partial
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from balancegan.errors import DataError

if TYPE_CHECKING:
    import keras

ImageShape = tuple[int, int, int]
GeneratorBuilder = Callable[[ImageShape, Any, int, int], "keras.Model"]
DiscriminatorBuilder = Callable[..., "keras.Model"]
Tensor = Any


def check_generator(
    generator: Any, image_shape: ImageShape, latent_dim: int
) -> "keras.Model":
    """Return a user's generator if it can be trained; raise DataError if not."""
    import keras

    inputs = [
        keras.KerasTensor((None, latent_dim), "float32"),
        keras.KerasTensor((None,), "int32"),
    ]
    takes = f"[latents of shape (n, {latent_dim}), class indices of shape (n,)]"
    _check_network("generator", generator, inputs, takes, (None, *image_shape))
    return generator


def check_discriminator(discriminator: Any, image_shape: ImageShape) -> "keras.Model":
    """Return a user's discriminator if it can be trained; raise DataError if not."""
    import keras

    inputs = [
        keras.KerasTensor((None, *image_shape), "float32"),
        keras.KerasTensor((None,), "int32"),
    ]
    takes = f"[images of shape (n, {', '.join(map(str, image_shape))}), class indices]"
    _check_network("discriminator", discriminator, inputs, takes, (None,))
    return discriminator


def describe_builder(builder: Any) -> str | None:
    """Return what tells a builder from others: its name, code, arguments and state.

    What it calls is told by its name alone.

    Examples
    --------
    >>> def build(shape, width=8): return width * 2
    >>> one, other = (describe_builder(partial(build, width=w)) for w in (8, 16))
    >>> one == other, one == describe_builder(partial(build, width=8))
    (False, True)
    """
    if builder is None:
        return None
    if isinstance(builder, partial):
        given = _describe_values([*builder.args, *builder.keywords.items()])
        return f"{describe_builder(builder.func)}({given})"
    name = getattr(builder, "__qualname__", type(builder).__qualname__)
    bound = builder if hasattr(builder, "__code__") else type(builder).__call__
    function = getattr(bound, "__func__", bound)
    if not isinstance(function, FunctionType):
        return str(name)
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    state = getattr(getattr(builder, "__self__", builder), "__dict__", {})
    values = [function.__defaults__, function.__kwdefaults__, *cells, *state.items()]
    does = f"{_describe_code(function.__code__)} {_describe_values(values)}"
    return f"{name}:{hashlib.sha256(does.encode()).hexdigest()[:12]}"


def _describe_code(code: CodeType) -> str:
    """Return what a function does, wherever it stands."""
    inner = [_describe_code(c) for c in code.co_consts if isinstance(c, CodeType)]
    values = _describe_values(c for c in code.co_consts if not isinstance(c, CodeType))
    return f"{code.co_code.hex()} {code.co_names} {values} {inner}"


def _describe_values(values: Iterable[Any]) -> str:
    """Return values as texts that are the same in another process."""
    texts = [
        repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)
        for value in values
    ]
    return re.sub(r" at 0x[0-9a-f]+", "", ", ".join(texts))


def _check_network(
    name: str, network: Any, inputs: list[Tensor], takes: str, shape: tuple
) -> None:
    """Raise DataError unless `network` turns `inputs` into one tensor of `shape`."""
    import keras

    expected = f"The builder {name}= must return a keras.Model that turns {takes} "
    wanted = f"into {'images' if len(shape) > 1 else 'logits'} of shape "
    wanted += str(shape).replace("None", "n")
    if not isinstance(network, keras.Model):
        raise DataError(f"{expected}{wanted}. Received: {network!r}.")
    try:
        outputs = network(inputs, training=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"{expected}{wanted}. It refuses them: {error}") from error
    received = getattr(outputs, "shape", None)
    if received != shape:
        received = str(received).replace("None", "n")
        raise DataError(f"{expected}{wanted}. Received: {received}.")
