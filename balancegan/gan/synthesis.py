"""From a plan to images: every class that lacks some gets its own.

The counterpart of ``training``: that makes a model, this asks it. Which image comes
out of which number is the model's affair.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from balancegan.attributes import Labels
from balancegan.balance import Plan
from balancegan.gan.model import TrainedModel
from balancegan.progress import show_progress


class Synthesis:
    """The images of a plan, made batch by batch as they are asked for.

    Labels and numbers are known before any image is made, so that nobody has to hold
    all images at once.

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

    Attributes
    ----------
    labels : Labels
        A row for each image, with all attributes: class after class in the order of
        the plan.
    numbers : ndarray of shape (n,), int
        The number of each image among those of its class of the plan. It is also its
        number among those of the combination that was drawn for it.
    """

    def __init__(
        self, model: TrainedModel, plan: Plan, names: Sequence[str], *, show: bool
    ) -> None:
        self.model, self.show = model, show
        self.requests = [
            (model.select(name_values(label, names)), n) for label, n in plan.items()
        ]
        none = np.empty(0, dtype=int)
        drawn = [selection.draw(model.seed, 0, n) for selection, n in self.requests]
        columns = model.attributes.columns(np.concatenate([none, *drawn]))
        self.labels = Labels(model.attributes.names, columns)
        counted = [np.arange(n) for _, n in self.requests]
        self.numbers = np.concatenate([none, *counted])

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield images of shape (m, ...), in the user's format; each time anew."""
        done, visible = 0, self.show and len(self) > 0
        with show_progress("Synthesis", len(self), "images", visible=visible) as bar:
            for selection, n in self.requests:
                for images, _ in self.model.make_selected(selection, 0, n):
                    yield images
                    done += len(images)
                    if bar is not None:
                        bar.update(done)


def name_values(label: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return a class of a plan as a dict of attributes.

    Examples
    --------
    >>> name_values("red", ["colour"]), name_values(("red", 3), ["colour", "digit"])
    ({'colour': 'red'}, {'colour': 'red', 'digit': 3})
    """
    values = [label] if len(names) == 1 else label
    return dict(zip(names, values, strict=True))
