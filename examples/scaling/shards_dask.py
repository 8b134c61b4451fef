"""Generate images on a Dask cluster, one WebDataset tar file per shard.

python examples/scaling/shards_dask.py MODEL CLASS --n 64000 --shards 16 --out parts

Needs balancegan[dask]. Without --scheduler, uses two local processes. All
workers must see the model and the folder under the same path.
"""

import argparse
import subprocess
import sys
from pathlib import Path


def make(model: str, class_name: str, n: int, shard: str, out: str) -> str:
    """Generate one shard unless it is complete."""
    if not Path(out).exists():
        command = [sys.executable, "-m", "balancegan", "generate", model]
        command += ["--class", class_name, "--n", str(n), "--shard", shard]
        subprocess.run([*command, "--out", out, "--quiet"], check=True)
    return out


def main() -> None:
    """Generate the shards in parallel."""
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("class_name")
    parser.add_argument("--n", type=int, default=64_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scheduler", help="address of a running cluster")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    cluster = options.scheduler or LocalCluster(n_workers=2, threads_per_worker=1)
    with Client(cluster) as client:
        parts = [
            client.submit(
                make,
                options.model,
                options.class_name,
                options.n,
                f"{i}/{options.shards}",
                str(options.out / f"{i}.tar"),
                retries=2,
                pure=False,
            )
            for i in range(1, options.shards + 1)
        ]
        print(*client.gather(parts), sep="\n")


if __name__ == "__main__":
    main()
