"""One folder with everything that goes wrong, through the commands themselves."""

import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

# As a user who may not read what nobody may: root otherwise reads everything. What is
# measured is the command alone, without what the process of the tests takes
UNPRIVILEGED = """
import ctypes, resource, subprocess, sys
libc = ctypes.CDLL(None)
if hasattr(libc, "prctl"):
    for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP, which exec heeds
code = subprocess.call([sys.executable, "-m", "balancegan", *sys.argv[2:]])
with open(sys.argv[1], "w") as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=file)
sys.exit(code)
"""
BOMB_SIDE = 30_000
BAD = {
    "cat/bomb.png": "more than 100,000,000 pixels, and more than 50,000,000 are not",
    "cat/empty.png": "empty",
    "cat/linked": "a link to a folder",
    "cat/outside.png": "a link that leads outside the folder",
    "cat/pipe.png": "no file",
    "cat/truncated.jpg": "damaged: ",
    "cat/unreadable.png": "Permission denied",
}
GOOD = {
    "cat": ["animated.gif", "cmyk.jpg", "deep.png", "猫.png"],
    "dog": [f"{number}.png" for number in range(6)],
}


def chunk(kind, content):
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def write_bomb(path):
    """Write a whole PNG of 900 million black pixels, in some 100 kB."""
    packer = zlib.compressobj(9)
    line = bytes(1 + BOMB_SIDE // 8)  # no filter, and a bit a pixel
    pixels = b"".join(packer.compress(line * 100) for _ in range(BOMB_SIDE // 100))
    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    chunks = [
        chunk(b"IHDR", header),
        chunk(b"IDAT", pixels + packer.flush()),
        chunk(b"IEND", b""),
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Class folders cat and dog: every file of BAD, and those of GOOD."""
    outside = tmp_path_factory.mktemp("hostile")
    cat, dog = outside / "animals" / "cat", outside / "animals" / "dog"
    rng = np.random.default_rng(0)

    def picture(*shape):
        return Image.fromarray(rng.integers(0, 256, shape, dtype="uint8"))

    dog.mkdir(parents=True)
    for name in GOOD["dog"]:
        picture(12, 12, 3).save(dog / name)
    cat.mkdir()
    picture(12, 12, 3).save(cat / "猫.png")
    picture(12, 12, 4).convert("CMYK").save(cat / "cmyk.jpg")
    deep = rng.integers(0, 65536, (12, 12), dtype="uint16")
    Image.fromarray(deep).save(cat / "deep.png")
    frames = [picture(12, 12) for _ in range(3)]
    frames[0].save(cat / "animated.gif", save_all=True, append_images=frames[1:])

    picture(90, 90, 3).save(cat / "truncated.jpg")
    whole = (cat / "truncated.jpg").read_bytes()
    (cat / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (cat / "empty.png").touch()
    (cat / "notes.txt").write_text("cats")
    write_bomb(cat / "bomb.png")
    picture(12, 12).save(outside / "secret.png")
    (cat / "outside.png").symlink_to(outside / "secret.png")
    (cat / "linked").symlink_to(dog)
    os.mkfifo(cat / "pipe.png")
    picture(12, 12).save(cat / "unreadable.png")
    (cat / "unreadable.png").chmod(0)
    return outside / "animals"


def run(folder, *arguments):
    """Run a command in a folder; return how it ended, and its peak memory in bytes."""
    peak = folder / "peak"
    command = [sys.executable, "-c", UNPRIVILEGED, peak, *arguments]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "Error: Unexpected" not in done.stderr, done.stderr
    n_bytes = int(peak.read_text()) * (1 if sys.platform == "darwin" else 1000)
    peak.unlink()
    return done, n_bytes


def files_below(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


OUT = ["--out", "out"]


@pytest.mark.parametrize(
    ("command", "most_bytes"),
    [
        (["inspect"], 5e8),
        (["convert", *OUT], 5e8),
        pytest.param(["balance", "--steps", "3", *OUT], 15e8, marks=pytest.mark.slow),
    ],
    ids=["inspect", "convert", "balance"],
)
def test_what_can_be_used_is_used(hostile, tmp_path, command, most_bytes):
    done, n_bytes = run(tmp_path, *command, hostile, "--on-error", "skip")
    assert done.returncode == 0, done.stderr
    (note,) = [n for n in done.stderr.splitlines() if n.startswith("note: left out")]
    assert note.startswith(f"note: left out {len(BAD)} unusable files: ")
    for name, reason in BAD.items():
        assert f"{name} ({reason}" in note
    assert n_bytes < most_bytes  # the bomb's pixels would be 9e8
    if command[0] == "inspect":
        assert "10 images, 12x12x3 uint8 in 0..255, 2 classes" in done.stderr
        assert not list(tmp_path.iterdir())
        return
    good = {f"{label}/{name}" for label, names in GOOD.items() for name in names}
    written = files_below(tmp_path / "out") - {"metadata.csv", "README.md"}
    for name in good:
        assert (tmp_path / "out" / name).read_bytes() == (hostile / name).read_bytes()
    made = {f"cat/synthetic_copied_cat_{number:06d}.png" for number in range(2)}
    assert written == good | (made if command[0] == "balance" else set())
    table = pd.read_csv(tmp_path / "out" / "metadata.csv")
    assert set(table["file_name"]) == written


def test_all_that_cannot_be_used_is_named_and_nothing_written(hostile, tmp_path):
    done, _ = run(tmp_path, "balance", "--steps", "3", *OUT, hostile)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"has {len(BAD)} images that cannot be used" in done.stderr
    for name, reason in BAD.items():
        assert f"{name} ({reason}" in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert "secret" not in done.stderr
    assert not list(tmp_path.iterdir())
