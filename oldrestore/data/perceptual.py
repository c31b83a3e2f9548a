"""A perceptual hash: finds a photograph again that was resized, recompressed or mirrored."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.fft import dctn

SIDE = 64
"""Pixels: side of the gray thumbnail that is transformed."""
FREQUENCIES = 16
"""Lowest frequencies kept in each direction: 256 bits."""
NEAR = 56
"""Bits of 256 in which two hashes of one photograph may differ; hashes of unrelated ones differ in about 128."""


def perceptual_hash(rgb_hw3: np.ndarray) -> str:
    """Return 64 hex digits: the signs of a gray thumbnail's lowest cosine frequencies, row by row.

    uint8 (H, W, 3). After Zauner, *Implementation and Benchmarking of Perceptual Image Hash Functions*, 2010, with the
    sign of a coefficient in place of its side of the median, so that the hash of the mirror image is known as well.
    """
    gray = Image.fromarray(rgb_hw3).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    frequencies = dctn(np.asarray(gray, np.float64), norm="ortho")[:FREQUENCIES, :FREQUENCIES]
    frequencies[0, 0] = 0.0  # the mean brightness says nothing
    return np.packbits(frequencies > 0).tobytes().hex()


def hash_distances(hashes: list[str], others: list[str]) -> np.ndarray:
    """Return the bits in which hashes differ, int (len(hashes), len(others)), as they are or mirrored: the smaller."""
    bits, other_bits = _bits(hashes), _bits(others)
    # Mirroring turns the sign of every odd horizontal frequency.
    mirrored = bits.reshape(-1, FREQUENCIES, FREQUENCIES).copy()
    mirrored[:, :, 1::2] ^= 1
    return np.minimum(_differing(bits, other_bits), _differing(mirrored.reshape(bits.shape), other_bits))


def _bits(hashes: list[str]) -> np.ndarray:
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8)
    return np.unpackbits(packed).reshape(len(hashes), FREQUENCIES**2).astype(np.int32)


def _differing(bits: np.ndarray, other_bits: np.ndarray) -> np.ndarray:
    return bits @ (1 - other_bits).T + (1 - bits) @ other_bits.T
