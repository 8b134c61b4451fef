"""The private parts of scikit-learn and imbalanced-learn that balancegan depends on.

Estimators of both libraries validate their parameters and containers with these.
``tests/test_sklearn_compat.py`` fails if one of them disappears.
"""

from imblearn.utils._validation import ArraysTransformer
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

__all__ = [
    "ArraysTransformer",
    "Interval",
    "StrOptions",
    "validate_parameter_constraints",
]
