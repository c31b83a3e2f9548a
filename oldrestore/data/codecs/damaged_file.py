"""Files with small damage that costs no pixel: what is broken is left out or added, and said."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

PNG_SIGNATURE = 8  # bytes
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
ANCILLARY = 0x20  # PNG 5.4: bit 5 of a chunk type's first byte
# Bits of no picture: blocks that are made of these differ from those that a decoder makes of nothing.
FILLER = b"\x55\x2a\x37\x6d" * 40


def mended_png(data: bytes) -> tuple[bytes, str]:
    """Leave out the chunks of a PNG file that a picture does not need and that have a wrong checksum, and say so."""
    at, broken, ended = PNG_SIGNATURE, [], False
    while at + 12 <= len(data) and not ended:
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        ended = kind == b"IEND"
        if end > len(data):
            break
        checksum = data[end - 4 : end]
        if kind[0] & ANCILLARY and zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(checksum, "big"):
            broken.append((at, end, kind))
        at = end
    if not broken:
        return data, "" if ended else "a damaged file: its end marker is missing"
    starts, ends = [0, *(end for _, end, _ in broken)], [*(start for start, _, _ in broken), len(data)]
    kept = b"".join(data[start:end] for start, end in zip(starts, ends, strict=True))
    names = ", ".join(dict.fromkeys(kind.decode("latin-1") for _, _, kind in broken))
    return kept, f"a damaged file: the checksum of its chunk {names} is wrong"


def has_end_marker(data: bytes) -> bool:
    """Say whether a JPEG file has an end marker behind its first scan; what follows that, such as a film, is free."""
    if data.endswith(JPEG_END):
        return True
    at = len(JPEG_START)
    while data[at : at + 1] == b"\xff" and not data.startswith(JPEG_SCAN, at):
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))  # segments may hold a preview, with its own end
    return data.find(JPEG_END, at) >= 0


def with_end_marker(data: bytes, decode: Callable[[bytes], np.ndarray]) -> np.ndarray | None:
    """Decode a JPEG file of which no more than the end marker is missing; None if pixels are missing as well.

    A decoder makes something of blocks that are not there without a word. So bits of no picture are appended: if
    they change any pixel, it was missing.
    """
    body = data.rstrip(b"\xff")
    try:
        rgb = decode(body + JPEG_END)
        return rgb if np.array_equal(rgb, decode(body + FILLER + JPEG_END)) else None
    except Exception:  # noqa: BLE001 (the decoder's first finding is what is said)
        return None
