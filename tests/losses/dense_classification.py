"""The classification losses by their definitions, in NumPy float64 with dense targets over the 313 bins."""

from __future__ import annotations

import numpy as np

from oldrestore.color import AB_BINS

CENTRES = AB_BINS.astype(np.float64)


def gaussian(squared: np.ndarray, chosen: np.ndarray, sigma: float) -> np.ndarray:
    t = np.zeros(len(squared))
    t[chosen] = np.exp(-(squared[chosen] - squared[chosen].min()) / (2 * sigma**2))
    return t / t.sum()


def dense_target(colour: np.ndarray, neighbours: int, sigma: float, smoothing: dict | None) -> tuple[np.ndarray, int]:
    """Target (313,) of one colour, and its nearest bin."""
    squared = ((colour.astype(np.float64) - CENTRES) ** 2).sum(axis=1)
    order = np.argsort(squared, kind="stable")
    t, nearest = gaussian(squared, order[:neighbours], sigma), order[0]
    if smoothing is None:
        return t, nearest
    if "neighbours" not in smoothing:
        given = np.full(313, 1 / 313)
    else:
        apart = ((CENTRES[nearest] - CENTRES) ** 2).sum(axis=1)
        around = [q for q in np.argsort(apart, kind="stable") if q != nearest][: smoothing["neighbours"]]
        given = gaussian(apart, np.array(around), smoothing["sigma"])
    return (1 - smoothing["share"]) * t + smoothing["share"] * given, nearest


def classification_loss(
    logits: np.ndarray,
    ab: np.ndarray,
    neighbours: int = 5,
    sigma: float = 5.0,
    bin_weights: np.ndarray | None = None,
    smoothing: dict | None = None,
    gamma: float = 0.0,
    offset: np.ndarray | float = 0.0,
    gray_threshold: float = 5.0,
) -> float:
    """Mean over the pixels of photographs with colour of w x sum_q t_q (1 - p_q)^gamma (-ln p_q)."""
    _, _, height, width = logits.shape
    step = ab.shape[2] // height, ab.shape[3] // width
    total, count = 0.0, 0
    for z_qhw, ab_2hw in zip(logits.astype(np.float64), ab, strict=True):
        if np.abs(ab_2hw).max() <= gray_threshold:
            continue
        for y in range(height):
            for x in range(width):
                t, nearest = dense_target(ab_2hw[:, y * step[0], x * step[1]], neighbours, sigma, smoothing)
                z = z_qhw[:, y, x] + offset
                log_p = z - z.max() - np.log(np.exp(z - z.max()).sum())
                w = 1.0 if bin_weights is None else bin_weights[nearest]
                total += w * (t * (1 - np.exp(log_p)) ** gamma * -log_p).sum()
                count += 1
    return total / count


def slope_along(value, logits: np.ndarray, direction: np.ndarray, step: float = 1e-4) -> float:
    """Slope of ``value(logits)`` along a direction by central differences of fourth order."""
    z = logits.astype(np.float64)
    at = {k: value(z + k * step * direction) for k in (-2, -1, 1, 2)}
    return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * step)
