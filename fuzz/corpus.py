"""Malformed inputs: real files of every kind, damaged in many ways.

Each case is made from a number. About half of them are damaged on disk; the rest
inside, with correct checksums, as an attacker would.
"""

import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits

from balancegan.gan.saving import CHECKSUM, FACTS_FILE, GENERATOR_FILE, checksum
from fuzz.encoders import deep_png, tiff

Files = dict[str, bytes]  # by their names below the input
TEXTS = (
    b"../../../../etc/passwd",
    b"/etc/passwd",
    b"file:///etc/passwd",
    b"\x00",
    b"\xff\xfe",
    b"=HYPERLINK(1)",
    b"<script>alert(1)</script>",
    b"1e999",
    b"-1",
    b"NaN",
    b"9" * 400,
    b"[" * 5_000,
    b'"',
    b",,,,",
    b"\r\n",
    "猫".encode(),
    b"\xed\xa0\x80",
    b"x" * 70_000,
)
VALUES = (
    None,
    True,
    -1,
    0,
    10**12,
    10**400,
    1e308,
    float("nan"),
    "",
    "../../etc/passwd",
    "<b>",
    [],
    {},
    [[]],
    ["a"] * 1_000,
    {"a": {"b": []}},
)
INTEGERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE)


@dataclass(frozen=True)
class Case:
    """An input to read.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    files : dict of str to bytes
        What it consists of.
    entry : str
        The file or folder to name, "." for the whole folder.
    how : str
        How it was damaged.
    """

    kind: str
    files: Files
    entry: str
    how: str


class Corpus:
    """All cases, from small sets of real digits.

    Parameters
    ----------
    model : Path or None, default=None
        A saved model. None: there are no cases of one.
    checkpoint : Path or None, default=None
        A checkpoint of some training. None: as above.
    """

    def __init__(
        self, model: Path | None = None, checkpoint: Path | None = None
    ) -> None:
        pixels, labels = load_digits(return_X_y=True)
        self.images = np.rint(pixels[:24].reshape(-1, 8, 8) * 15.9).astype(np.uint8)
        self.labels = np.repeat([0, 1, 2], 8)
        self.model: Files = {}
        if model is not None:
            self.model = {file.name: file.read_bytes() for file in model.iterdir()}
        self.checkpoint = b"" if checkpoint is None else checkpoint.read_bytes()
        self.inner = {"arrays": self._arrays(), "images": self._images()}
        kinds: dict[str, tuple[Callable[[random.Random], Case], int]] = {
            "npz": (self._npz, 4),
            "npy": (self._npy, 2),
            "idx": (self._idx, 2),
            "folder": (self._folder, 5),
            "csv": (lambda rng: self._table(rng, "csv"), 2),
            "jsonl": (lambda rng: self._table(rng, "jsonl"), 1),
            "parquet": (lambda rng: self._table(rng, "parquet"), 2),
            "shards": (self._shards, 4),
            "lineage": (self._lineage, 1),
            "model": (self._model, 4 if model else 0),
            "checkpoint": (self._checkpoint, 2 if checkpoint else 0),
        }
        self.makers = [make for make, weight in kinds.values() for _ in range(weight)]

    def case(self, number: int) -> Case:
        """Return the case of a number."""
        rng = random.Random(number)
        return self.makers[number % len(self.makers)](rng)

    def whole(self) -> Files:
        """Return a file of each kind that is as it should be."""
        from balancegan.data.filewriting import encode_image
        from balancegan.data.lineage import Lineage

        arrays, images = self.inner["arrays"], self.inner["images"]
        table = pd.DataFrame({"file_name": list(images), "label": "a"})
        idx = struct.pack(">IIII", 0x803, 2, 8, 8) + self.images[:2].tobytes()
        rows = [{"image": images[name], "label": name[0], "site": 1} for name in images]
        return {
            ".tar": tarred(rows),
            ".npz": zipped(arrays, zipfile.ZIP_DEFLATED),
            ".npy": arrays["x_train.npy"],
            ".csv": table.to_csv(index=False).encode(),
            ".jsonl": table.to_json(orient="records", lines=True).encode(),
            ".parquet": table.to_parquet(index=False),
            "lineage.png": encode_image(self.images[0], Lineage("zero", 7, "c0ffee")),
            "idx3-ubyte": idx,
            "idx3-ubyte.gz": gzip.compress(idx),
            "": b"zero=100",
            **{f"a/0{Path(name).suffix}": images[name] for name in images},
        }

    def _arrays(self) -> Files:
        found = {}
        for name, array in {
            "x_train": self.images,
            "y_train": self.labels,
            "class_names": np.array(["zero", "one", "two"]),
            "site": self.labels % 2,
            "x_test": self.images[:3].astype("float32") / 255,
        }.items():
            file = io.BytesIO()
            np.save(file, array)
            found[f"{name}.npy"] = file.getvalue()
        found.pop("x_test.npy")
        return found

    def _images(self) -> Files:
        found = {}
        for row, kind in enumerate(("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP") * 2):
            image = Image.fromarray(self.images[row])
            if kind in ("JPEG", "WEBP"):
                image = image.convert("RGB")
            file = io.BytesIO()
            exif = Image.Exif()
            exif[0x0112] = 6
            more = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP", "TIFF") else {}
            image.save(file, kind, **more)
            found[f"{'ab'[row // 6]}/{row}.{kind.lower()}"] = file.getvalue()
        return found | self._deep_images()

    def _deep_images(self) -> Files:
        """Return images of more than 8 bits, and of kinds that fewer people have."""
        deep = self.images[:4, ..., None].astype(np.uint16) * 16
        pages = [Image.fromarray(image) for image in self.images[:3]]
        files = {kind: io.BytesIO() for kind in ("PPM", "JPEG2000", "TIFF", "PNG")}
        for kind, file in files.items():
            several = kind in ("TIFF", "PNG")
            more = {"save_all": True, "append_images": pages[1:]} if several else {}
            pages[0].save(file, kind, **more)
        return {
            "a/12.png": deep_png(deep[0].repeat(3, axis=2)),
            "a/13.png": deep_png(deep[1].repeat(2, axis=2)),
            "a/14.tif": tiff(deep[2].astype(np.int32), deflated=True),
            "a/15.tif": tiff(deep[3].repeat(3, axis=2), ">"),
            "b/16.pgm": files["PPM"].getvalue(),
            "b/17.jp2": files["JPEG2000"].getvalue(),
            "b/18.tif": files["TIFF"].getvalue(),
            "b/19.png": files["PNG"].getvalue(),
        }

    def _npz(self, rng: random.Random) -> Case:
        members = dict(self.inner["arrays"])
        inside = rng.random() < 0.6
        how = damage_one(rng, members) if inside else "as it lies there: "
        packing = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        content = zipped(members, packing)
        if not inside:
            content, done = damage(rng, content)
            how += done
        return Case("npz", {"data.npz": content}, "data.npz", how)

    def _npy(self, rng: random.Random) -> Case:
        files = dict(self.inner["arrays"])
        how = damage_one(rng, files)
        return Case("npy", files, rng.choice([".", "x_train.npy"]), how)

    def _idx(self, rng: random.Random) -> Case:
        parts = {
            "train-images-idx3-ubyte": struct.pack(">IIII", 0x803, *self.images.shape)
            + self.images.tobytes(),
            "train-labels-idx1-ubyte": struct.pack(">II", 0x801, len(self.labels))
            + self.labels.astype(np.uint8).tobytes(),
        }
        packed = rng.random() < 0.5
        how = ""
        if rng.random() < 0.6:
            how = damage_one(rng, parts)
        if packed:
            parts = {f"{name}.gz": gzip.compress(c) for name, c in parts.items()}
        if not how:
            how = damage_one(rng, parts)
        return Case("idx", parts, ".", how)

    def _folder(self, rng: random.Random) -> Case:
        files = dict(self.inner["images"])
        hows = []
        for name in rng.sample(sorted(files), rng.randint(1, 4)):
            if name.endswith(".png") and rng.random() < 0.6:
                files[name], how = damage_png(rng, files[name])
            else:
                files[name], how = damage(rng, files[name])
            hows.append(f"{name}: {how}")
        return Case("folder", files, ".", "; ".join(hows))

    def _table(self, rng: random.Random, suffix: str) -> Case:
        files = dict(self.inner["images"])
        names = sorted(files)
        table = pd.DataFrame(
            {
                "file_name": names,
                "label": [name[0] for name in names],
                "split": ["train"] * (len(names) - 1) + ["test"],
                "site": np.arange(len(names)) % 2,
            }
        )
        how = ""
        if rng.random() < 0.5:  # a cell that means something else
            column = rng.choice(list(table))
            row = rng.randrange(len(table))
            value = rng.choice(TEXTS).decode(errors="replace")
            table[column] = table[column].astype(str)
            table.loc[row, column] = value
            how = f"{column} of row {row} is {value[:30]!r}"
        content = {
            "csv": lambda: table.to_csv(index=False).encode(),
            "jsonl": lambda: table.to_json(orient="records", lines=True).encode(),
            "parquet": lambda: table.to_parquet(index=False),
        }[suffix]()
        if not how:
            content, how = damage(rng, content)
        if suffix != "parquet" and rng.random() < 0.3:
            files[f"metadata.{suffix}"] = content
            return Case(suffix, files, ".", how)
        files[f"table.{suffix}"] = content
        return Case(suffix, files, f"table.{suffix}", how)

    def _shards(self, rng: random.Random) -> Case:
        kind = rng.choice(sorted(SHARDS))
        images = dict(self.inner["images"])
        how = damage_one(rng, images) if rng.random() < 0.4 else ""
        rows: list[dict] = [
            {"image": content, "label": name[0], "site": row % 2}
            for row, (name, content) in enumerate(images.items())
        ]
        if not how and rng.random() < 0.5:  # a value that means something else
            column, value = rng.choice(["label", "site"]), rng.choice(TEXTS)
            for row in rows:
                row[column] = str(row[column])
            rng.choice(rows)[column] = value.decode(errors="replace")
            how = f"a {column} is {value[:30]!r}"
        content = SHARDS[kind](rows)
        if not how:
            content, how = damage(rng, content)
        entry = rng.choice([".", f"a.{kind}"])
        return Case("shards", {f"a.{kind}": content}, entry, how)

    def _lineage(self, rng: random.Random) -> Case:
        from balancegan.data.filewriting import encode_image
        from balancegan.data.lineage import Lineage

        lineage = Lineage("zero", 7, "c0ffee", {"site": "1"}, (9, 8), "pad")
        content = encode_image(self.images[0], lineage)
        content, how = damage_png(rng, content)
        return Case("lineage", {"image.png": content}, "image.png", how)

    def _model(self, rng: random.Random) -> Case:
        files = dict(self.model)
        if rng.random() < 0.3:
            return Case("model", files, ".", damage_one(rng, files))
        facts = json.loads(files[FACTS_FILE])
        if rng.random() < 0.7:
            how = damage_json(rng, facts)
        else:
            files[GENERATOR_FILE], how = damage(rng, files[GENERATOR_FILE])
        weights = _Weights(files[GENERATOR_FILE])
        facts[CHECKSUM] = checksum(facts, weights)  # type: ignore[arg-type]
        files[FACTS_FILE] = json.dumps(facts).encode()
        return Case("model", files, ".", f"{how}, sealed again")

    def _checkpoint(self, rng: random.Random) -> Case:
        if rng.random() < 0.5:
            content, how = damage(rng, self.checkpoint)
        else:
            with zipfile.ZipFile(io.BytesIO(self.checkpoint)) as file:
                members = {name: file.read(name) for name in file.namelist()}
            how = damage_one(rng, members)
            content = zipped(members, zipfile.ZIP_STORED)
        return Case("checkpoint", {"step-1.npz": content}, ".", how)


def tarred(rows: list[dict]) -> bytes:
    """Return a tar of WebDataset with an image, its class and a column a row."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number, row in enumerate(rows):
            label = row["label"].encode(errors="replace")
            site = json.dumps({"site": row["site"]}).encode()
            members = {"png": row["image"], "cls": label, "json": site}
            for suffix, content in members.items():
                member = tarfile.TarInfo(f"{number}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def tabled(rows: list[dict]) -> bytes:
    """Return a Parquet file of images."""
    return bytes(pd.DataFrame(rows).to_parquet(index=False))


SHARDS: dict[str, Callable[[list[dict]], bytes]] = {
    "tar": tarred,
    "parquet": tabled,
}


class _Weights:
    """Bytes that open as a file does."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def open(self, _: str) -> io.BytesIO:
        return io.BytesIO(self.content)


def zipped(members: Files, how: int) -> bytes:
    """Return a zip file of these members, with right checksums."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return file.getvalue()


def damage_one(rng: random.Random, files: Files) -> str:
    """Damage one of some files, or lose or exchange it; return how."""
    name = rng.choice(sorted(files))
    if rng.random() < 0.1:
        del files[name]
        return f"{name} is missing"
    if rng.random() < 0.1:
        other = rng.choice(sorted(files))
        files[name], files[other] = files[other], files[name]
        return f"{name} and {other} exchanged"
    files[name], how = damage(rng, files[name])
    return f"{name}: {how}"


def damage(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """Return a content damaged in one way or in a few, and how."""
    hows = []
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        way = rng.choice(WAYS)
        content = way(rng, content)
        hows.append(way.__name__)
    return content, ", ".join(hows)


def flip_bits(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        if changed:
            changed[near_start(rng, len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut_short(rng: random.Random, content: bytes) -> bytes:
    return content[: near_start(rng, len(content) + 1)]


def append_noise(rng: random.Random, content: bytes) -> bytes:
    return content + rng.randbytes(rng.choice([1, 8, 1_000, 100_000]))


def overwrite(rng: random.Random, content: bytes) -> bytes:
    start = near_start(rng, len(content) + 1)
    n = rng.choice([1, 2, 4, 16, 500])
    filling = rng.choice([bytes(n), b"\xff" * n, rng.randbytes(n)])
    return content[:start] + filling + content[start + n :]


def leave_out(rng: random.Random, content: bytes) -> bytes:
    start = near_start(rng, len(content) + 1)
    return content[:start] + content[start + rng.choice([1, 4, 64, 1_000]) :]


def repeat(rng: random.Random, content: bytes) -> bytes:
    start = near_start(rng, len(content) + 1)
    part = content[start : start + rng.choice([1, 16, 300])]
    return content[:start] + part * rng.choice([2, 10, 100]) + content[start:]


def put_number(rng: random.Random, content: bytes) -> bytes:
    start = near_start(rng, len(content) + 1)
    value = rng.choice(INTEGERS)
    size = rng.choice([2, 4, 8])
    number = (value % 256**size).to_bytes(size, rng.choice(["big", "little"]))
    return content[:start] + number + content[start + size :]


def put_text(rng: random.Random, content: bytes) -> bytes:
    start = near_start(rng, len(content) + 1)
    text = rng.choice(TEXTS)
    skipped = rng.choice([0, len(text)])
    return content[:start] + text + content[start + skipped :]


WAYS = (
    flip_bits,
    cut_short,
    append_noise,
    overwrite,
    leave_out,
    repeat,
    put_number,
    put_text,
)


def near_start(rng: random.Random, n: int) -> int:
    """Return a position below n; every other one is in the head of the file."""
    return rng.randrange(min(n, 200) if rng.random() < 0.5 else n) if n else 0


def damage_png(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """Damage a chunk of a PNG file and correct its checksum."""
    chunks, start = [], 8
    while start < len(content):
        (n,) = struct.unpack(">I", content[start : start + 4])
        chunks.append((content[start + 4 : start + 8], content[start + 8 :][:n]))
        start += 12 + n
    k = rng.randrange(len(chunks))
    kind, inner = chunks[k]
    if kind == b"IDAT" and rng.random() < 0.5:
        unpacked, how = damage(rng, zlib.decompress(inner))
        inner = zlib.compress(unpacked)
    else:
        inner, how = damage(rng, inner)
    chunks[k] = (kind, inner)
    out = content[:8]
    for name, inside in chunks:
        checksum = struct.pack(">I", zlib.crc32(name + inside))
        out += struct.pack(">I", len(inside)) + name + inside + checksum
    return out, f"{kind!r}: {how}, with a right checksum"


def damage_json(rng: random.Random, facts: dict) -> str:
    """Change, lose or add something in a tree of facts; return what."""
    room: object = facts
    path = []
    while True:
        if isinstance(room, dict) and room:
            key: object = rng.choice(sorted(room))
        elif isinstance(room, list) and room:
            key = rng.randrange(len(room))
        else:
            break
        path.append(str(key))
        inner = room[key]  # type: ignore[index]
        if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.3:
            if isinstance(room, dict) and rng.random() < 0.2:
                del room[key]
                return f"{'.'.join(path)} is missing"
            value = rng.choice(VALUES)
            if isinstance(inner, int) and rng.random() < 0.4:
                value = inner + rng.choice([-1, 1, 7, 10**6])
            room[key] = value  # type: ignore[index]
            return f"{'.'.join(path)} is {str(value)[:30]}"
        room = inner
    return "nothing"
