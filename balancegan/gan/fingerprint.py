"""A name for a trained model that nobody else's has: a hash of what it makes."""

import hashlib
import json
from typing import Any

import numpy as np

from balancegan.gan.model import TrainedModel

LENGTH = 16  # hexadecimal digits


def fingerprint(model: TrainedModel) -> str:
    """Return a short hash of everything that image k of a class depends on.

    Two models with the same fingerprint make the same images, on one machine.

    Parameters
    ----------
    model : TrainedModel
        The model.

    Returns
    -------
    text : str
        Sixteen hexadecimal digits.
    """
    facts: dict[str, Any] = {
        "seed": model.seed,
        "latent_dim": model.preset.latent_dim,
        "classes": [str(label) for label in model.classes.tolist()],
        "format": repr(model.image_format),
    }
    if model.truncation is not None:
        facts["truncation"] = model.truncation
    found = hashlib.sha256(json.dumps(facts).encode())
    for weights in [] if model.generator is None else model.generator.get_weights():
        found.update(np.ascontiguousarray(weights).tobytes())
    return found.hexdigest()[:LENGTH]
