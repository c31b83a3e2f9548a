"""Finds near-duplicates among photographs: the same picture saved again, shifted, mirrored, or cropped from another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
from PIL import Image

SIDE = 64
"""Pixels of a thumbnail's side: lightness alone, squashed to a square."""

Crop = tuple[float, float, float, float]
"""Top, bottom, left and right of a part of a photograph, 0..1."""

WHOLE, MIDDLE = (0.0, 1.0, 0.0, 1.0), (0.05, 0.95, 0.05, 0.95)

BITS = 8
"""A hash has the signs of the 8 x 8 lowest frequencies of a picture, its mean (the first of them) left out."""

MOST_BITS = 10
"""Bits of 63 that may differ between the hashes of a photograph and of a crop of another: then they are compared."""

CLOSEST = 0.8
"""Correlation of two thumbnails without their coarse light and shade, from which on they are near-duplicates."""

KEY_BITS, KEY_FLIPS = 12, 2
"""Hashes are looked up by their 12 lowest frequencies, of which 2 may differ."""

COARSE = 6.0  # pixels of a thumbnail: standard deviation of the blur that is subtracted
SLACK = 3  # pixels of a thumbnail by which a crop's sides may differ from those that were hashed
FLAT = 1.0  # standard deviation, in 8-bit steps, of a thumbnail without anything to recognise


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """Lightness of a photograph, uint8 (h, w, 3), as uint8 (SIDE, SIDE)."""
    picture = Image.fromarray(rgb).convert("L")
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0))


def near_duplicates(thumbnails_nhw: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of near-duplicates by their places, the smaller first, sorted.

    Two photographs are near-duplicates if one of them, or its mirror image, is the other or a crop of it that keeps at
    least three quarters of each side; or if that is so of its middle, nine tenths of each side, as after a small shift.
    Of every photograph 441 crops are hashed. One whose own hash is within `MOST_BITS` of a crop's is laid over that
    crop, and must correlate with it by at least `CLOSEST`. Photographs without any structure are like no other.

    Hashes are computed in integers, so that they are the same on every machine. A pair whose correlation is at the very
    limit may be one with another version of OpenCV and not with this; the fingerprints of the splits would tell.

    References
    ----------
    C. Zauner (2010), Implementation and benchmarking of perceptual image hash functions (signs of a cosine transform).
    """
    structured = np.flatnonzero(thumbnails_nhw.reshape(len(thumbnails_nhw), -1).std(axis=1) >= FLAT)
    kept = thumbnails_nhw[structured]
    if len(kept) < 2:
        return []
    crops, hashes_nc = _crops(), _hashes(kept)
    fine = [_without_coarse(one) for one in kept]
    near = set()
    for part in (WHOLE, MIDDLE):
        asked = hashes_nc[:, crops.index(part)]
        for mirrored in (False, True):
            for query, place in _within(asked ^ _ODD if mirrored else asked, hashes_nc):
                photo, crop = divmod(place, len(crops))
                pair = (min(query, photo), max(query, photo))
                if query == photo or pair in near:
                    continue
                one = fine[query][_pixels(part)]
                if _overlaid(one[:, ::-1] if mirrored else one, fine[photo], crops[crop]) >= CLOSEST:
                    near.add(pair)
    return sorted((int(structured[one]), int(structured[other])) for one, other in near)


# A hash's bits by frequency, the lowest first; down and across. Mirroring flips the sign of the odd ones across.
_ORDER = sorted(((v, u) for v in range(BITS) for u in range(BITS) if u + v), key=lambda f: (f[0] + f[1], f))
_ODD = np.uint64(sum(1 << bit for bit, (_, u) in enumerate(_ORDER) if u % 2))


@cache
def _intervals() -> list[tuple[float, float]]:
    """Begin and end of crops along one axis: three quarters of it or more, in steps of a twentieth."""
    steps = [(scale, begin) for scale in range(20, 14, -1) for begin in range(21 - scale)]
    return [(begin / 20, (begin + scale) / 20) for scale, begin in steps]


@cache
def _transform() -> np.ndarray:
    """Cosine transform of each interval, int64 (intervals, BITS, SIDE): its lowest frequencies, in 1/4096."""
    at = np.arange(SIDE)[None, None, :]
    begin, end = (SIDE * np.array(ends)[:, None, None] for ends in zip(*_intervals(), strict=True))
    frequency = np.arange(BITS)[None, :, None]
    phase = np.pi * frequency * (np.clip(at + 0.5, begin, end) - begin) / (end - begin)
    covered = np.clip(np.minimum(at + 1, end) - np.maximum(at, begin), 0, 1)  # of each pixel
    weights = np.cos(phase) * covered
    # No frequency but the first sees the mean.
    weights[:, 1:] -= covered * (weights[:, 1:].sum(axis=-1, keepdims=True) / covered.sum(axis=-1, keepdims=True))
    return np.rint(4096 * weights).astype(np.int64)


def _crops() -> list[Crop]:
    return [(*down, *across) for down in _intervals() for across in _intervals()]


def _pixels(crop: Crop) -> tuple[slice, slice]:
    top, bottom, left, right = (round(SIDE * end) for end in crop)
    return slice(top, bottom), slice(left, right)


def _hashes(thumbnails_nhw: np.ndarray) -> np.ndarray:
    """Hashes of every photograph's crops, uint64 (n, crops)."""
    basis = _transform().astype(np.float64)
    n, k = len(thumbnails_nhw), len(basis)
    flat = basis.reshape(k * BITS, SIDE)
    hashes = np.empty((n, k * k), np.uint64)
    for number, one in enumerate(thumbnails_nhw):
        # Whole numbers below 2^53: float64 is exact, in whatever order they are added.
        spectrum = (flat @ one.astype(np.float64) @ flat.T).reshape(k, BITS, k, BITS)
        hashes[number] = 0
        for bit, (v, u) in enumerate(_ORDER):
            hashes[number] |= (spectrum[:, v, :, u] > 0).astype(np.uint64).ravel() << np.uint64(bit)
    return hashes


def _within(asked_n: np.ndarray, hashes_nc: np.ndarray) -> Iterator[tuple[int, int]]:
    """Places of an asked hash and of the nearest of each photograph's, where they differ in at most `MOST_BITS`."""
    mask, hashes = np.uint64(2**KEY_BITS - 1), hashes_nc.ravel()
    asked_keys, keys = asked_n & mask, hashes & mask
    order = np.argsort(keys, kind="stable")
    present, starts = np.unique(keys[order], return_index=True)
    near = []
    for key, start, end in zip(present, starts, [*starts[1:], len(order)], strict=True):
        queries, places = np.flatnonzero(np.bitwise_count(asked_keys ^ key) <= KEY_FLIPS), order[start:end]
        apart = np.bitwise_count(asked_n[queries, None] ^ hashes[places])
        across, down = np.nonzero(apart <= MOST_BITS)
        near.append(np.stack([queries[across], places[down], apart[across, down]], axis=1))
    query, place, apart = np.concatenate(near).T
    order = np.lexsort((place, apart, place // hashes_nc.shape[1], query))
    pairs = np.stack([query, place // hashes_nc.shape[1]], axis=1)[order]
    first = np.r_[True, (pairs[1:] != pairs[:-1]).any(axis=1)] if len(order) else np.zeros(0, bool)
    yield from zip(query[order[first]].tolist(), place[order[first]].tolist(), strict=True)


def _without_coarse(one_hw: np.ndarray) -> np.ndarray:
    pixels = one_hw.astype(np.float32)
    return pixels - cv2.GaussianBlur(pixels, (0, 0), COARSE, borderType=cv2.BORDER_REFLECT)


def _overlaid(query: np.ndarray, photo: np.ndarray, crop: Crop) -> float:
    """Highest correlation of a photograph with another, laid over it at about the size of a crop."""
    rows, columns = _pixels(crop)
    around = photo[max(rows.start - SLACK, 0) : rows.stop + SLACK, max(columns.start - SLACK, 0) : columns.stop + SLACK]
    best = -1.0
    for dy in (-SLACK, 0, SLACK):
        for dx in (-SLACK, 0, SLACK):
            height = min(rows.stop - rows.start + dy, around.shape[0])
            width = min(columns.stop - columns.start + dx, around.shape[1])
            laid = cv2.resize(np.ascontiguousarray(query), (width, height), interpolation=cv2.INTER_AREA)
            best = max(best, float(cv2.matchTemplate(around, laid, cv2.TM_CCOEFF_NORMED).max()))
    return best
