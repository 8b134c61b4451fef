"""From a plan to images: every class that lacks some gets its own.

The counterpart of ``training``: that makes a model, this asks it. Which image comes
out of which number is the model's affair.
"""

import numpy as np

from balancegan.balance import Plan
from balancegan.gan.model import TrainedModel
from balancegan.progress import show_progress


def synthesize(
    model: TrainedModel, plan: Plan, *, show: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Make the images of a plan.

    Parameters
    ----------
    model : TrainedModel
        It knows every class of the plan.
    plan : dict
        How many images to make of each class: numbers 0, 1, 2, ... of it.
    show : bool
        Whether to show progress on stderr.

    Returns
    -------
    images : ndarray of shape (n, ...)
        Class after class in the order of the plan, in the user's format.
    labels : ndarray of shape (n,)
        The user's labels.
    """
    class_indices = [model.find_class(label) for label in plan]
    total, done = sum(plan.values()), 0
    images = np.empty(
        (total, *model.image_format.row_shape), dtype=model.image_format.dtype
    )
    visible = show and total > 0
    with show_progress("Synthesis", total, "images", visible=visible) as display:
        for class_index, n in zip(class_indices, plan.values(), strict=True):
            for part in model.make_images(class_index, 0, n):
                images[done : done + len(part)] = part
                done += len(part)
                if display is not None:
                    display.update(done)
    return images, model.classes[np.repeat(class_indices, list(plan.values()))]
