"""The three ways in which balancegan refuses or fails, and what it warns of.

Any other error that escapes is a defect of ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class DataError(ValueError):
    """The data, the labels or the targets cannot be used as they are."""


class SavedModelError(ValueError):
    """A saved model is missing, damaged, foreign or of another version."""


class TrainingFailed(RuntimeError):
    """Training ended without a usable generator."""


class UnseenCombinationWarning(UserWarning):
    """Images are asked for of attributes that no training image has together."""


class TrainingWarning(UserWarning):
    """Training does not go as it should, and what is done about it."""


class CheckpointWarning(UserWarning):
    """A checkpoint is damaged and passed over, or cannot be written."""


class SimplerMethodWarning(UserWarning):
    """Images of a class are made in a simpler way than by the GAN, or are missing."""


@contextmanager
def refusals_as_data_errors() -> Iterator[None]:
    """Let another library's refusals of the data leave the block as DataError."""
    try:
        yield
    except DataError:
        raise
    except ValueError as error:
        raise DataError(str(error)) from error
