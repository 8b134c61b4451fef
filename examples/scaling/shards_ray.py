"""Generate images on a Ray cluster, one WebDataset tar file per shard.

python examples/scaling/shards_ray.py MODEL CLASS --n 64000 --shards 16 --out parts

Needs the package ray. Without --address, uses this machine. All workers must see the
model and the folder under the same path.
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
    import ray

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("class_name")
    parser.add_argument("--n", type=int, default=64_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--address", help="of a running cluster")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    ray.init(address=options.address)
    task = ray.remote(num_cpus=1, max_retries=2)(make)
    parts = [
        task.remote(
            str(Path(options.model).resolve()),
            options.class_name,
            options.n,
            f"{i}/{options.shards}",
            str((options.out / f"{i}.tar").resolve()),
        )
        for i in range(1, options.shards + 1)
    ]
    print(*ray.get(parts), sep="\n")


if __name__ == "__main__":
    main()
