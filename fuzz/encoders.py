"""Encoded images of more than 8 bits, which Pillow reads but does not write."""

import struct
import zlib

import numpy as np

PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(
    rows: list[bytes], width: int, n_bits: int, colour: int, *chunks: bytes
) -> bytes:
    """Return a PNG file of rows of packed pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), n_bits, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            png_chunk(b"IHDR", header),
            *chunks,
            png_chunk(b"IDAT", pixels),
            png_chunk(b"IEND", b""),
        ]
    )


def deep_png(values: np.ndarray, *chunks: bytes) -> bytes:
    """Return a PNG file of 16 bits, of shape (height, width, 1 to 4)."""
    rows = [row.astype(">u2").tobytes() for row in values]
    return png(rows, values.shape[1], 16, PNG_COLOURS[values.shape[2]], *chunks)


def low_png(values: np.ndarray, n_bits: int, *chunks: bytes) -> bytes:
    """Return a grey PNG file of 1, 2 or 4 bits, of shape (height, width)."""
    bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=2)[..., -n_bits:]
    rows = [np.packbits(row.reshape(-1)).tobytes() for row in bits]
    return png(rows, values.shape[1], n_bits, 0, *chunks)


def tiff(
    values: np.ndarray,
    order: str = "<",
    *,
    photometric: int | None = None,
    in_planes: bool = False,
    deflated: bool = False,
    extra: tuple[int, ...] = (),
) -> bytes:
    """Return a TIFF file of any dtype, of shape (height, width, channels).

    Parameters
    ----------
    values : ndarray
        The pixels.
    order : str, default="<"
        "<" with the low byte first, ">" with the high one.
    photometric : int or None, default=None
        What the values mean. None: 1, where zero is black, or 2, colour.
    in_planes : bool, default=False
        Whether channels follow one another.
    deflated : bool, default=False
        Whether pixels are packed.
    extra : tuple of int, default=()
        What channels beyond colour are.
    """
    height, width, n = values.shape
    stored = values.astype(values.dtype.newbyteorder(order))
    planes = np.moveaxis(stored, -1, 0) if in_planes else [stored]
    strips = [np.ascontiguousarray(plane).tobytes() for plane in planes]
    if deflated:
        strips = [zlib.compress(strip) for strip in strips]
    starts = np.cumsum([8, *map(len, strips)])
    if photometric is None:
        photometric = 1 if n < 3 else 2
    tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [values.dtype.itemsize * 8] * n),
        259: ("H", [8 if deflated else 1]),
        262: ("H", [photometric]),
        273: ("I", starts[:-1].tolist()),
        277: ("H", [n]),
        278: ("I", [height]),
        279: ("I", list(map(len, strips))),
        284: ("H", [2 if in_planes else 1]),
        339: ("H", [SAMPLE_FORMATS[values.dtype.kind]] * n),
    }
    if extra:
        tags[338] = ("H", list(extra))
    body, entries = b"".join(strips), b""
    body += b"\0" * (len(body) % 2)
    for tag, (kind, numbers) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(content) > 4:
            content, body = struct.pack(f"{order}I", 8 + len(body)), body + content
        number = struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(numbers))
        entries += number + content.ljust(4, b"\0")
    begin = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        f"{order}I", 8 + len(body)
    )
    count = struct.pack(f"{order}H", len(tags))
    return begin + body + count + entries + struct.pack(f"{order}I", 0)
