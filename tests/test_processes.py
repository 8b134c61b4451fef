"""Comparisons by the command itself, in processes of their own, which is slow."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from balancegan.data.demo import save_demo_digits

from .commands import with_config

pytestmark = pytest.mark.slow

METHODS = ["--methods", "oversample,smote,oversample+augment"]
QUICK = [
    *METHODS,
    "--classifier",
    "linear",
    "--classifier-steps",
    "200",
    "--seeds",
    "3",
]
N_RUNS = 12


def command(*arguments):
    words = with_config(["evaluate", *arguments])
    return [sys.executable, "-m", "balancegan", *words]


def run(*arguments):
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def facts_of(text):
    """Return what a comparison found, without what no two runs have in common."""
    facts = json.loads(text)
    for run in facts["runs"]:
        del run["seconds"]
    return facts


@pytest.fixture
def digits(tmp_path):
    path = tmp_path / "digits.npz"
    save_demo_digits(path)
    return path


def test_killed_at_random_moments_and_run_again(digits, tmp_path):
    uninterrupted = run(digits, *QUICK, "--json", "--quiet").stdout
    cache = tmp_path / "cache"
    options = [digits, *QUICK, "--json", "--quiet", "--cache", cache]
    rng = random.Random()
    kept_before: dict[str, float] = {}
    for n_more in (1, 3, 2):
        with subprocess.Popen(command(*options), stdout=subprocess.PIPE) as process:
            while len(list(cache.glob("run-*.json"))) < len(kept_before) + n_more:
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
        kept = {p.name: p.stat().st_mtime for p in cache.glob("run-*.json")}
        assert kept_before.items() <= kept.items()
        kept_before = kept
    assert len(kept_before) < N_RUNS
    resumed = run(*options).stdout
    assert facts_of(resumed) == facts_of(uninterrupted)
    kept = {p.name: p.stat().st_mtime for p in cache.glob("run-*.json")}
    assert kept_before.items() <= kept.items()
    assert len(kept) == N_RUNS
    assert run(*options).stdout == resumed


def test_side_by_side_is_the_same_and_as_quiet(digits):
    alone, together = (run(digits, *QUICK, "--json", "--jobs", jobs) for jobs in (1, 2))
    assert facts_of(alone.stdout) == facts_of(together.stdout)
    lines = [line.split()[0] for line in together.stderr.splitlines()]
    assert not {"WARNING:", "I0000", "warnings.warn("} & set(lines)
