"""Metrics of one colorized photograph, in NumPy; `metric_table` says which way each is better."""

from __future__ import annotations

from typing import Any

import numpy as np

from oldrestore.color.bins import NUMBER_OF_BINS, nearest_bin
from oldrestore.errors import UserError
from oldrestore.evaluation.scores import Score

# Thresholds 0, 1, ..., 150 of the accuracy curve; Zhang et al. (2016), section 3.1.
LARGEST_THRESHOLD = 150
SSIM_WINDOW = 11
# An image without any error has infinite PSNR (a gray photograph predicted gray, say): one of those must not make the
# mean infinite.
HIGHEST_PSNR = 100.0


def psnr(rgb: np.ndarray, reference: np.ndarray, data_range: float) -> float:
    """Peak signal-to-noise ratio, 10 log10(data_range^2 / mean squared error), in decibels; infinite if equal.

    Photographs are (H, W, 3); the mean is taken in float64 over all values. `data_range` is 255 for 8-bit images, 1 for
    images in 0..1.
    """
    difference = _as_float(rgb, reference)
    error = float(np.mean(difference * difference))
    return float("inf") if error == 0 else float(10 * np.log10(data_range**2 / error))


def capped_psnr(rgb: np.ndarray, reference: np.ndarray) -> float:
    """PSNR of 8-bit photographs in decibels, at most 100."""
    return min(psnr(rgb, reference, 255.0), HIGHEST_PSNR)


def ssim(rgb: np.ndarray, reference: np.ndarray, data_range: float) -> float:
    """Structural similarity, mean over pixels and the three channels, -1..1; photographs as in `psnr`.

    With the Gaussian window (sigma 1.5, 11 x 11) and the population covariance of Wang et al., *Image quality
    assessment: from error visibility to structural similarity* (2004), by scikit-image.
    """
    return float(_similarity(rgb, reference, data_range))


def ssim_map(rgb: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Structural similarity of 8-bit photographs around each pixel, (H, W), mean of the three channels."""
    return _similarity(rgb, reference, 255.0, full=True)[1].mean(axis=-1)


def _similarity(rgb: np.ndarray, reference: np.ndarray, data_range: float, full: bool = False) -> Any:
    if min(rgb.shape[:2]) < SSIM_WINDOW:
        raise UserError(f"SSIM needs photographs of at least 11 x 11 pixels, not {rgb.shape[1]} x {rgb.shape[0]}")
    from skimage.metrics import structural_similarity  # late: who reads the table of metrics measures nothing

    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(reference, rgb, data_range=data_range, channel_axis=-1, full=full, **wang)


def ab_rmse(ab_hw2: np.ndarray, true_ab_hw2: np.ndarray) -> float:
    """Root mean squared error over pixels and the two channels, Lab units, as Zhang et al. (2017) report it."""
    difference = _as_float(ab_hw2, true_ab_hw2)
    return float(np.sqrt(np.mean(difference * difference)))


def pixel_accuracy_area(ab_hw2: np.ndarray, true_ab_hw2: np.ndarray) -> np.ndarray:
    """Each pixel's own area under the accuracy curve: the AuC of any set of pixels is its (weighted) mean.

    A pixel with Euclidean ab error e counts as right from the threshold ceil(e) on. The trapezoids of that
    step over 0, 1, ..., 150, divided by 150, are 1 for e = 0, (150.5 - ceil(e)) / 150 up to 150, else 0.
    """
    difference = _as_float(ab_hw2, true_ab_hw2)
    first = np.ceil(np.sqrt((difference * difference).sum(axis=-1)))
    area = np.where(first == 0, LARGEST_THRESHOLD, LARGEST_THRESHOLD + 0.5 - first)
    return np.where(first <= LARGEST_THRESHOLD, area, 0.0) / LARGEST_THRESHOLD


def auc(ab_hw2: np.ndarray, true_ab_hw2: np.ndarray) -> Score:
    """Raw accuracy: the area under the share of pixels whose ab error is at most t, t = 0..150, over 150.

    Zhang, Isola and Efros, *Colorful Image Colorization* (2016), table 1, "AuC, non-rebal". 0..1; an image weighs as
    many pixels as it has.
    """
    area = pixel_accuracy_area(ab_hw2, true_ab_hw2)
    return Score(float(area.mean()), float(area.size))


def area_by_bin(ab_hw2: np.ndarray, true_ab_hw2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of pixel_accuracy_area and number of pixels for each true bin: two float64 (313,)."""
    bins = nearest_bin(true_ab_hw2).ravel()
    area = pixel_accuracy_area(ab_hw2, true_ab_hw2).ravel()
    return (
        np.bincount(bins, weights=area, minlength=NUMBER_OF_BINS),
        np.bincount(bins, minlength=NUMBER_OF_BINS).astype(np.float64),
    )


def rebalance(area_313: np.ndarray, count_313: np.ndarray, prior: np.ndarray) -> Score:
    """Raw accuracy where a pixel weighs 1 / prior of its true bin, so that rare colours count as much.

    Zhang, Isola and Efros (2016), table 1, "AuC, rebal" (lambda = 0: no uniform part in the weights). Of what
    `area_by_bin` gives, and of how frequent each bin is, (313,), in any scale. 0..1; an image weighs as much as its
    pixels together.
    """
    present = count_313 > 0
    if prior.shape != (NUMBER_OF_BINS,) or not (prior[present] > 0).all():
        raise ValueError("the prior must hold 313 numbers, above 0 at every bin that occurs: smooth it")
    weights = 1.0 / prior[present]
    total = float((weights * count_313[present]).sum())
    return Score(float((weights * area_313[present]).sum()) / total, total)


def bin_accuracy(top_bins_hwk: np.ndarray, true_ab_hw2: np.ndarray, k: int) -> Score:
    """Share of positions whose true bin is among the k likeliest, 0..1; an image weighs as many positions as it has.

    Bins are int (h, w, at least k), by rank at the network's size. Of the true colour (H, W, 2) every n-th pixel is
    taken, never a mean, as for the training targets.
    """
    height, width, ranks = top_bins_hwk.shape
    if ranks < k:
        raise ValueError(f"top-{k} accuracy needs {k} ranks, got {ranks}")
    rows = np.arange(height) * true_ab_hw2.shape[0] // height
    columns = np.arange(width) * true_ab_hw2.shape[1] // width
    true_bins = nearest_bin(true_ab_hw2[np.ix_(rows, columns)])
    hit = (top_bins_hwk[..., :k] == true_bins[..., None]).any(axis=-1)
    return Score(float(hit.mean()), float(hit.size))


def share_nearer(difference_hw: np.ndarray, gray_difference_hw: np.ndarray) -> float:
    """Share of pixels that a prediction brings nearer to the truth than gray, 0..1; as near counts half.

    By the colour differences of the two: a prediction that is gray has 0.5.
    """
    nearer = (difference_hw < gray_difference_hw).mean()
    return float(nearer + 0.5 * (difference_hw == gray_difference_hw).mean())


def colorfulness(rgb: np.ndarray) -> float:
    """Colourfulness M3 = sigma_rgyb + 0.3 mu_rgyb, of the opponents R - G and (R + G) / 2 - B.

    Hasler and Suesstrunk, *Measuring colourfulness in natural images* (2003): 0 not, 15 slightly, 33
    moderately, 45 averagely, 59 quite, 82 highly, 109 extremely colourful. Neither way is better, what matters is the
    distance to the original's. Photographs are (H, W, 3), 0..255.
    """
    return colorfulness_of(*opponents(rgb))


def opponents(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the opponents R - G and (R + G) / 2 - B of an image (H, W, 3): two float64 (H, W), in its units."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    return red - green, (red + green) / 2 - blue


def colorfulness_of(red_green: np.ndarray, yellow_blue: np.ndarray) -> float:
    """Combine opponents as `colorfulness` does: their joint standard deviation + 0.3 times their joint mean."""
    spread = np.sqrt(red_green.var() + yellow_blue.var())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _as_float(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    if image.shape != reference.shape:
        raise ValueError(f"images of shape {image.shape} and {reference.shape} cannot be compared")
    return image.astype(np.float64) - reference.astype(np.float64)
