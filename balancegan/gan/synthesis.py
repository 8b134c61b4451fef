"""From a plan to images: every class that lacks some gets its own.

The counterpart of ``training``: that makes a model, this asks it. Which image comes
out of which number is the model's affair.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from balancegan.balance import Plan
from balancegan.gan.model import TrainedModel
from balancegan.progress import show_progress


def synthesize(
    model: TrainedModel, plan: Plan, names: Sequence[str], *, show: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Make the images of a plan.

    Parameters
    ----------
    model : TrainedModel
        It knows every class of the plan.
    plan : dict
        How many images to make of each class: numbers 0, 1, 2, ... of it.
    names : sequence of str
        The attributes that the classes of the plan are of: one, or several where its
        keys are tuples. Others are drawn as the training images have them.
    show : bool
        Whether to show progress on stderr.

    Returns
    -------
    images : ndarray of shape (n, ...)
        Class after class in the order of the plan, in the user's format.
    class_indices : ndarray of shape (n,), int
        Their classes, of all attributes.
    """
    selections = [model.select(name_values(label, names)) for label in plan]
    total, done = sum(plan.values()), 0
    images = np.empty(
        (total, *model.image_format.row_shape), dtype=model.image_format.dtype
    )
    class_indices = np.empty(total, dtype=int)
    visible = show and total > 0
    with show_progress("Synthesis", total, "images", visible=visible) as display:
        for selection, n in zip(selections, plan.values(), strict=True):
            for part, classes in model.make_selected(selection, 0, n):
                images[done : done + len(part)] = part
                class_indices[done : done + len(part)] = classes
                done += len(part)
                if display is not None:
                    display.update(done)
    return images, class_indices


def name_values(label: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return a class of a plan as a dict of attributes.

    Examples
    --------
    >>> name_values("red", ["colour"]), name_values(("red", 3), ["colour", "digit"])
    ({'colour': 'red'}, {'colour': 'red', 'digit': 3})
    """
    values = [label] if len(names) == 1 else label
    return dict(zip(names, values, strict=True))
