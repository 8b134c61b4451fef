"""The versions of installed libraries."""

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, version

# What is imported of a distribution, where that has another name
MODULES = {"scikit-learn": "sklearn", "imbalanced-learn": "imblearn"}
UNKNOWN = "unknown"


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the version of each library, "unknown" if it cannot be determined.

    TensorFlow is also distributed as tensorflow-cpu, tensorflow-macos,
    tensorflow-intel, tf-nightly and others.

    Examples
    --------
    >>> library_versions(["no-such-library"])
    {'no-such-library': 'unknown'}
    """
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        pass
    module = MODULES.get(name, name)
    for distribution in packages_distributions().get(module, ()):
        return version(distribution)
    return str(getattr(sys.modules.get(module), "__version__", UNKNOWN))
