import sys
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from balancegan import versions
from balancegan.versions import library_versions


@pytest.mark.parametrize("called", ["tensorflow-cpu", "tf-nightly", "intel-tensorflow"])
def test_the_version_is_found_whatever_a_distribution_is_called(monkeypatch, called):
    def version(name):
        if name != called:
            raise PackageNotFoundError(name)
        return "2.99"

    monkeypatch.setattr(versions, "version", version)
    monkeypatch.setattr(
        versions, "packages_distributions", lambda: {"tensorflow": [called]}
    )
    assert library_versions(["tensorflow"]) == {"tensorflow": "2.99"}


def test_without_a_distribution_the_module_says_it(monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", version)
    monkeypatch.setattr(versions, "packages_distributions", dict)
    monkeypatch.setitem(sys.modules, "sklearn", SimpleNamespace(__version__="1.99"))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    found = library_versions(["scikit-learn", "tensorflow"])
    assert found == {"scikit-learn": "1.99", "tensorflow": "unknown"}


def test_every_recorded_library_is_installed():
    from balancegan.evaluation.runcache import PACKAGES
    from balancegan.gan import checkpoint, saving

    found = library_versions({*PACKAGES, *checkpoint.LIBRARIES, *saving.LIBRARIES})
    assert "unknown" not in found.values()
