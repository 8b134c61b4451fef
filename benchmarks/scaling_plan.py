"""Calculate the time of training with many workers; nothing is measured.

    python benchmarks/scaling_plan.py --seconds-an-image 0.0028

Every step sums the gradients of the default networks at 28x28 over all workers, and the
moments of each batch normalisation, by a ring (Patarasuk and Yuan 2009,
https://doi.org/10.1016/j.jpdc.2008.09.002): of M bytes a worker sends 2 M (N - 1) / N,
in 2 (N - 1) messages. Writes results/scaling_plan.json.
"""

import argparse
import json
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "scaling_plan.json"
WEIGHTS = 1_254_337 + 2_046_338  # of generator and discriminator
BYTES = 4 * WEIGHTS
# Two of each of four normalisations, and as many on the way back; the losses; and the
# gradients of either network
SUMS = 4 * 2 * 2 + 1 + 2
MESSAGE_SECONDS = 50e-6  # one way, in one data centre
NETWORKS = {"1 Gbit/s": 125e6, "10 Gbit/s": 1.25e9, "100 Gbit/s": 12.5e9}  # bytes/s
WORKERS = (2, 8, 64, 512)
BATCHES = (64, 4_096)  # images of a step, of all workers


def step_seconds(workers, batch, seconds_an_image, bytes_a_second):
    """Return what a step takes: its images, the sending, and the waiting for it."""
    computing = batch / workers * seconds_an_image
    sending = 2 * BYTES * (workers - 1) / workers / bytes_a_second
    waiting = SUMS * 2 * (workers - 1) * MESSAGE_SECONDS
    return computing, sending, waiting


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds-an-image", type=float, required=True, help="of training, one worker"
    )
    options = parser.parse_args()
    rows = []
    for batch in BATCHES:
        alone = batch * options.seconds_an_image
        for workers in WORKERS:
            for network, speed in NETWORKS.items():
                if workers > batch:
                    continue
                parts = step_seconds(workers, batch, options.seconds_an_image, speed)
                rows.append(
                    {
                        "batch": batch,
                        "workers": workers,
                        "network": network,
                        "megabytes_sent": round(2e-6 * BYTES * (1 - 1 / workers), 1),
                        "seconds": [round(part, 4) for part in parts],
                        "speedup": round(alone / sum(parts), 2),
                        "efficiency": round(alone / sum(parts) / workers, 3),
                    }
                )
                print(json.dumps(rows[-1]))
    command = "python benchmarks/scaling_plan.py --seconds-an-image"
    result = {"command": f"{command} {options.seconds_an_image:g}", "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
