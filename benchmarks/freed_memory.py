"""What it brings to keep freed memory in the process while it trains.

    python benchmarks/freed_memory.py

One training at 32x32 in colour, default settings. After every ten steps freed memory is
kept, or given back as the C library (glibc) does by itself, in turn. Writes
results/freed_memory.json: seconds a step and page faults a step of each pair.
"""

import argparse
import ctypes
import json
import os
import platform
import resource
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from balancegan.attributes import Labels
from balancegan.gan.presets import choose_preset
from balancegan.gan.training import TrainingRun
from balancegan.images import find_format
from balancegan.memory import MALLOC_OPTIONS

RESULTS = Path(__file__).parent / "results"
PAIRS = 12
BLOCK = 10  # steps between two events
COUNTS = (200, 70, 30)
# mallopt(3): what training sets, and what glibc begins with
KEPT = dict(MALLOC_OPTIONS.values())
USUAL = {-1: 2**17, -2: 2**17, -4: 2**16}


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


class Turns:
    """Listens to a training, and changes what becomes of freed memory."""

    def __init__(self):
        self.libc = ctypes.CDLL(None)
        self.rows = []
        self.mode = "given back"  # as training begins
        self.started = None

    def __call__(self, event):
        if event["event"] != "losses":
            return
        if self.started is not None:
            seconds, n = time.perf_counter() - self.started[0], faults()
            row = {
                "mode": self.mode,
                "seconds_per_step": seconds / BLOCK,
                "faults_per_step": (n - self.started[1]) / BLOCK,
            }
            self.rows.append(row)
            self.mode = "given back" if self.mode == "kept" else "kept"
            values = KEPT if self.mode == "kept" else USUAL
            for option, value in values.items():
                self.libc.mallopt(option, value)
        self.started = time.perf_counter(), faults()


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (sum(COUNTS), 32, 32, 3)).astype("uint8")
    labels = np.repeat(np.arange(len(COUNTS)), COUNTS)
    preset = choose_preset("default", steps=BLOCK * (2 * PAIRS + 3))
    run = TrainingRun(images, Labels.of_one(labels), find_format(images), preset, 0)
    run.quality.on_train_batch_end = lambda *_: None  # looks would be timed too
    turns = Turns()
    run.history.listeners.append(turns)
    run.fit()
    rows = turns.rows[1:]  # the first after compiling is left out
    given, kept = (
        np.array([row["seconds_per_step"] for row in rows if row["mode"] == mode])
        for mode in ("given back", "kept")
    )
    n = min(len(given), len(kept))
    ratios = given[:n] / kept[:n]
    result = {
        "command": "python benchmarks/freed_memory.py",
        "system": f"{platform.system()}, {' '.join(platform.libc_ver())}",
        "cores": os.cpu_count(),
        "ratio_median": round(float(np.median(ratios)), 2),
        "ratio_quartiles": np.quantile(ratios, [0.25, 0.75]).round(2).tolist(),
        "blocks": [
            {k: v if k == "mode" else round(v, 4) for k, v in r.items()} for r in rows
        ],
    }
    (RESULTS / "freed_memory.json").write_text(json.dumps(result, indent=1) + "\n")
    print({name: value for name, value in result.items() if name != "blocks"})


if __name__ == "__main__":
    main()
