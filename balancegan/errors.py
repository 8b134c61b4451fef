"""The errors that balancegan raises, and its warnings.

Any other error that escapes is a bug.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class DataError(ValueError):
    """The data, labels, targets or settings cannot be used."""


class SavedModelError(ValueError):
    """A saved model is missing, damaged, foreign or of another version."""


class TrainingFailed(RuntimeError):
    """Training ended without a usable generator."""


class UnseenCombinationWarning(UserWarning):
    """The requested attributes occur together in no training image."""


class TrainingWarning(UserWarning):
    """Training has a problem; the message says what was done about it."""


class CheckpointWarning(UserWarning):
    """A checkpoint is damaged and ignored, or cannot be written."""


class SimplerMethodWarning(UserWarning):
    """A class gets copies or recombined images instead of generated ones, or none."""


@contextmanager
def refusals_as_data_errors() -> Iterator[None]:
    """Raise a ValueError of another library about the data as DataError."""
    try:
        yield
    except DataError:
        raise
    except ValueError as error:
        raise DataError(str(error)) from error
