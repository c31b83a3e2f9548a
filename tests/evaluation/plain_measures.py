"""The measures of colour once more, from the bytes of two photographs, written for plainness in float64."""

import numpy as np
from scipy.ndimage import gaussian_filter

# b from .. to of each a, as the published bins have them.
ROWS = {
    -90: (50, 90), -80: (20, 90), -70: (0, 90), -60: (-20, 90), -50: (-30, 100), -40: (-40, 100), -30: (-50, 100),
    -20: (-50, 100), -10: (-60, 100), 0: (-70, 100), 10: (-80, 90), 20: (-80, 90), 30: (-90, 90), 40: (-100, 90),
    50: (-100, 80), 60: (-110, 80), 70: (-110, 80), 80: (-110, 70), 90: (-110, 70), 100: (-90, 0),
}  # fmt: skip
CENTRES = np.array([(a, b) for a, (low, high) in ROWS.items() for b in range(low, high + 1, 10)], dtype=np.float64)


def bins(ab):
    """Number of the nearest centre, by all distances."""
    flat = ab.reshape(-1, 2)
    return np.array([((CENTRES - one) ** 2).sum(axis=1).argmin() for one in flat]).reshape(ab.shape[:-1])


def smoothed(counts, sigma=5.0):
    """A prior whose every bin is spread by a Gaussian over the others, and keeps its mass."""
    prior = np.zeros(len(CENTRES))
    for centre, count in zip(CENTRES, counts, strict=True):
        spread = np.exp(-((CENTRES - centre) ** 2).sum(axis=1) / (2 * sigma**2))
        prior += count * spread / spread.sum()
    return prior / prior.sum()


def auc(predicted_ab, true_ab, weights=None):
    """Mean of the trapezoids under the share of (weighted) pixels within 0, 1, ..., 150."""
    error = np.hypot(*np.moveaxis(np.asarray(predicted_ab, np.float64) - true_ab, -1, 0)).ravel()
    weights = np.ones_like(error) if weights is None else weights.ravel()
    within = np.array([weights[error <= threshold].sum() for threshold in range(151)]) / weights.sum()
    return (within[:-1] + within[1:]).sum() / 2 / 150


def colorfulness(rgb):
    """Hasler and Suesstrunk's third measure, moments by sums."""
    r, g, b = (rgb[..., i].astype(np.float64).ravel() for i in range(3))
    opponents = (r - g, 0.5 * (r + g) - b)
    n = r.size
    means = [o.sum() / n for o in opponents]
    variances = [((o - m) ** 2).sum() / n for o, m in zip(opponents, means, strict=True)]
    return sum(variances) ** 0.5 + 0.3 * sum(m * m for m in means) ** 0.5


def psnr(one, other):
    """Of 8-bit photographs, by integers."""
    squared = sum((int(x) - int(y)) ** 2 for x, y in zip(one.ravel(), other.ravel(), strict=True))
    return 20 * np.log10(255) - 10 * np.log10(squared / one.size)


def ssim(one, other):
    """Wang et al. 2004 of 8-bit photographs: Gaussian window of 11 x 11, borders left out, mean over channels."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = []
    for channel in range(3):
        x, y = (image[..., channel].astype(np.float64) for image in (one, other))
        blur = lambda z: gaussian_filter(z, 1.5, truncate=3.5)  # noqa: E731 (radius 5)
        mx, my = blur(x), blur(y)
        vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
        whole = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
        found.append(whole[5:-5, 5:-5].mean())
    return np.mean(found)
