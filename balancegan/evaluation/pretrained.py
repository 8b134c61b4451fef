"""A trained Keras model as the classifier that methods are compared by.

It is used at its own input size. This module decides which pixel values it expects and
whether its last layer is replaced. Files are checked before Keras reads them, and none
of their code is executed.
"""

import copy
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
from keras import layers, ops

from balancegan.errors import DataError
from balancegan.files import READ_ERRORS
from balancegan.gan.saving import check_weights_file
from balancegan.gan.settings import standard_settings

SUFFIX = ".keras"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MOST_CONFIG_BYTES = 100_000_000
OWN_MODULES = ("builtins", "keras", "balancegan.gan.layers")
# Layers that run code from the file, or read other files
UNSAFE = {
    "Lambda",
    "__lambda__",
    "TFSMLayer",
    "JaxLayer",
    "FlaxLayer",
    "TorchModuleWrapper",
    "StringLookup",
    "IntegerLookup",
    "TextVectorization",
    "HashedCrossing",
}
# Operations that change the range of pixels if they precede all trained layers
ARITHMETIC = {"Add", "Subtract", "Multiply", "TrueDivide", "Divide"}


@dataclass(frozen=True, eq=False)
class PretrainedClassifier:
    """A builder of networks from a trained model; may be sent to another process.

    With `fine_tune` all layers learn, else the last one only.
    """

    config: dict[str, Any]
    weights: list[Any]
    fine_tune: bool
    name: str

    @classmethod
    @standard_settings()
    def of(cls, given: keras.Model | Path | str, *, fine_tune: bool) -> Self:
        """Return the builder for a model or a .keras file.

        Raises
        ------
        DataError
            If the file cannot be read safely, or the model does not take images.
        """
        if isinstance(given, keras.Model):
            model, name = given, given.name
        else:
            model, name = _load(Path(given)), Path(given).name
        try:
            config = keras.saving.serialize_keras_object(model)
            inputs, outputs = list(model.inputs), list(model.outputs)
        except (AttributeError, NotImplementedError, TypeError, ValueError):
            inputs = outputs = []  # a subclass, or an unknown input shape
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
            raise DataError(
                "A classifier must be a functional or sequential Keras model with one "
                "input of images, (height, width, channels), and one output. Received: "
                f"{name}, a {type(model).__name__} with inputs of shapes "
                f"{[tuple(one.shape) for one in inputs]}."
            )
        try:
            _check_config(config)
        except ValueError as error:
            raise DataError(
                f"The model {name} cannot be rebuilt: {error}. Give a function "
                "(image_shape, n_classes) that returns a model."
            ) from error
        return cls(config, model.get_weights(), fine_tune, name)

    def __call__(
        self, image_shape: tuple[int, int, int], n_classes: int
    ) -> keras.Model:
        """Return a network for images in [-1, 1] with the weights of the model.

        Raises
        ------
        DataError
            If the model does not accept these images.
        """
        model = self._rebuild()
        _check_channels(model, image_shape, self.name)
        image = layers.Input(image_shape)
        features, head = _split(model, n_classes)
        trunk = keras.Model(model.inputs, features)
        for layer in trunk.layers:
            layer.trainable = self.fine_tune or layer is head
        try:
            seen = trunk(_prepare(image, model))
        except ValueError as error:
            raise DataError(
                f"The classifier {self.name} cannot be applied to images of shape "
                f"{image_shape}. It may need larger ones."
            ) from error
        if head is None:
            if len(seen.shape) == 4:
                seen = layers.GlobalAveragePooling2D()(seen)
            seen = layers.Dense(n_classes)(layers.Flatten()(seen))
        return keras.Model(image, seen, name="pretrained")

    @standard_settings()
    def describe(self, image_shape: tuple[int, int, int], n_classes: int) -> str:
        """Return a note on how the model is used."""
        model = self._rebuild()
        sides = _fixed_sides(model) or image_shape[:2]
        if _rescales(model):
            values = "0 to 255, because it rescales pixels itself"
        else:
            values = "-1 to 1, because it has no layer that rescales pixels"
        is_kept = _split(model, n_classes)[1] is not None
        last = "its last layer" if is_kept else f"a new layer for {n_classes} classes"
        learns = f"all layers and {last}" if self.fine_tune else f"only {last}"
        return (
            f"classifier {self.name}: it gets images at {sides[0]}x{sides[1]} with "
            f"values from {values}; {learns} will learn"
        )

    def _rebuild(self) -> keras.Model:
        """Return a new functional model with the layers and weights."""
        config = copy.deepcopy({**self.config, "compile_config": None})
        built = keras.saving.deserialize_keras_object(config)  # changes config
        built.set_weights(self.weights)
        return keras.Model(built.inputs, built.outputs)


def _prepare(image: Any, model: keras.Model) -> Any:
    """Return an image in the size, channels and range that the model expects."""
    sides, channels = _fixed_sides(model), model.inputs[0].shape[-1]
    x = image
    if sides is not None and sides != tuple(image.shape[1:3]):
        x = ops.image.resize(x, sides, antialias=True)
    if image.shape[-1] == 1 and channels == 3:
        x = layers.Concatenate()([x, x, x])
    return layers.Rescaling(127.5, 127.5)(x) if _rescales(model) else x


def _fixed_sides(model: keras.Model) -> tuple[int, int] | None:
    height, width = model.inputs[0].shape[1:3]
    return None if height is None or width is None else (height, width)


def _check_channels(
    model: keras.Model, image_shape: tuple[int, int, int], name: str
) -> None:
    wanted, given = model.inputs[0].shape[-1], image_shape[-1]
    if wanted not in (None, given) and (given, wanted) != (1, 3):
        raise DataError(
            f"The classifier {name} takes images of {wanted} channels. Received: "
            f"images of {given}. Use a model of {given} channels."
        )


def _split(model: keras.Model, n_classes: int) -> tuple[Any, Any]:
    """Return the features for the last layer, and the last layer if it is kept.

    A last dense layer, with its activation, is kept if it has an output per class, and
    removed otherwise. A model with another last layer keeps all layers.
    """
    last = model.layers[-1]
    if isinstance(last, layers.Activation | layers.Softmax) and len(model.layers) > 1:
        last = model.layers[-2]
    if not isinstance(last, layers.Dense):
        return model.outputs[0], None
    if model.outputs[0].shape[1:] == (n_classes,):
        return model.outputs[0], last
    return last.input, None


def _rescales(model: keras.Model) -> bool:
    """Return whether pixels are rescaled before the first trained layer."""
    for operation in _operations(model):
        if isinstance(operation, layers.Rescaling | layers.Normalization):
            return True
        if type(operation).__name__ in ARITHMETIC:
            return True
        if getattr(operation, "weights", None):
            return False
    return False


def _operations(model: keras.Model) -> Iterator[Any]:
    """Yield layers and operations in order, those of nested models too."""
    functional = keras.Model(model.inputs, model.outputs)
    for operation in functional.operations:
        if isinstance(operation, keras.Model):
            yield from _operations(operation)
        else:
            yield operation


def _load(path: Path) -> keras.Model:
    """Return the model in a .keras file after checking the file."""
    if path.suffix != SUFFIX or not path.is_file():
        kind = "which does not exist" if not path.exists() else "something else"
        raise DataError(
            f"A trained classifier is a {SUFFIX} file written by model.save. "
            f"Received: {path}, {kind}."
        )
    with tempfile.TemporaryDirectory() as folder:
        # Check and read a copy, which cannot change in between
        copy = Path(folder) / f"model{SUFFIX}"
        with _refusing(path, OSError, *READ_ERRORS):
            shutil.copyfile(path, copy)
            with zipfile.ZipFile(copy) as archive:
                members = {one.filename: one.file_size for one in archive.infolist()}
        with _refusing(path, ValueError):
            _check_members(members, MOST_CONFIG_BYTES + 20 * copy.stat().st_size)
        with _refusing(path, OSError, *READ_ERRORS), zipfile.ZipFile(copy) as archive:
            described = json.loads(archive.read(CONFIG))
            weights = Path(archive.extract(WEIGHTS, folder))
        with _refusing(path, OSError, ValueError):
            _check_config(described)
            check_weights_file(weights)
        with _refusing(path, OSError, *READ_ERRORS):
            model = keras.saving.load_model(copy, compile=False, safe_mode=True)
    return model


@contextmanager
def _refusing(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turn errors about a file into an error for the user."""
    try:
        yield
    except errors as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{path} cannot be used as a classifier: {reason}") from error


def _check_members(members: dict[str, int], most: int) -> None:
    """Refuse other members, and more bytes than unpacked weights have."""
    if set(members) != {CONFIG, METADATA, WEIGHTS}:
        raise ValueError(f"it must hold {CONFIG}, {METADATA} and {WEIGHTS} alone")
    n_bytes = sum(members.values())
    if members[CONFIG] > MOST_CONFIG_BYTES or n_bytes > most:
        raise ValueError(f"it unpacks to {n_bytes:,} bytes")


def _check_config(described: Any) -> None:
    """Refuse layers and functions that are not part of Keras or not safe to load."""
    if isinstance(described, list):
        for one in described:
            _check_config(one)
    if not isinstance(described, dict):
        return
    name, module = described.get("class_name"), described.get("module")
    if isinstance(name, str):
        if name in UNSAFE:
            raise ValueError(f"its layer {name} may run code or read other files")
        is_own = isinstance(module, str) and (
            module in OWN_MODULES or module.startswith("keras.")
        )
        if "module" in described and not is_own:
            raise ValueError(f"{name} is not a part of Keras")
    for key, one in described.items():
        if key != "compile_config":  # never read
            _check_config(one)
