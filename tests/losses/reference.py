"""What the tests of losses share: batches, the losses' inputs in float64, and gradients by finite differences."""

from collections.abc import Callable

import numpy as np
import paddle
import pytest
from skimage.color import lab2rgb

from oldrestore.batch import Batch, Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.losses.base import Loss
from tests.models.plain_layers import bilinear, softmax

# Mixed precision is a GPU's: on a CPU Paddle warns that it takes no notice.
on_a_cpu = pytest.mark.filterwarnings("ignore:amp_guard")
BINS = AB_BINS.astype(np.float64)
PRIOR = np.random.default_rng(9).gamma(0.3, size=NUMBER_OF_BINS) + 1e-6
PRIOR /= PRIOR.sum()


def make_batch(ab_b2hw: np.ndarray, L_b1hw: np.ndarray | None = None, **fields: paddle.Tensor) -> Batch:
    ab = paddle.to_tensor(np.asarray(ab_b2hw, np.float32))
    L = paddle.full_like(ab[:, :1], 50.0) if L_b1hw is None else paddle.to_tensor(L_b1hw.astype(np.float32))
    return Batch(L_b1hw=L, ab_b2hw=ab, **fields)


def of_bins(number: int = 2, shape: tuple[int, int] = (3, 2), factor: int = 2, size: float = 60.0, seed: int = 0):
    """Logits over the bins and true colours, that many times as large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (number, NUMBER_OF_BINS, *shape)).astype(np.float32)
    return logits, rng.uniform(-size, size, (number, 2, *(factor * n for n in shape))).astype(np.float32)


def terms(loss: Loss, batch: Batch, **given: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Each term's value, and gradients of the loss with respect to the fields of the prediction, by name."""
    fields = {name: paddle.to_tensor(array.astype(np.float32), stop_gradient=False) for name, array in given.items()}
    values = loss.terms(Prediction(**fields), batch)
    assert all(value.shape == [] and value.dtype == paddle.float32 for value in values.values())
    values["loss"].backward()
    return {name: float(value) for name, value in values.items()}, {n: x.grad.numpy() for n, x in fields.items()}


def evaluate(loss: Loss, given: np.ndarray, batch: Batch, dtype: str = "float32") -> tuple[float, np.ndarray]:
    """Value, and gradient with respect to the one field of a prediction that the loss reads."""
    (field,) = loss.reads
    tensor = paddle.to_tensor(given.astype(np.float32)).astype(dtype)
    tensor.stop_gradient = False
    value = loss(Prediction(**{field: tensor}), batch)
    assert value.shape == [] and value.dtype == paddle.float32
    value.backward()
    assert tensor.grad.dtype == tensor.dtype
    return float(value), tensor.grad.astype("float32").numpy()


def value_of(loss: Loss, given: np.ndarray, ab: np.ndarray) -> float:
    return evaluate(loss, given, make_batch(ab))[0]


def check(
    loss: Loss,
    given: np.ndarray,
    batch: Batch,
    formula: Callable[[np.ndarray], float],
    step: float = 1e-4,
    points: int = 12,
) -> float:
    """Hold a loss's value and gradient against its formula in float64; returns the value."""
    value, gradient = evaluate(loss, given, batch)
    exact = given.astype(np.float32).astype(np.float64)
    assert value == pytest.approx(formula(exact), rel=1e-5)
    # The entries that matter most and some at random, so that none of them passes for being nothing.
    largest = np.argsort(-np.abs(gradient), axis=None)[: points // 2]
    drawn = np.random.default_rng(0).choice(gradient.size, points // 2, replace=False)
    scale = float(np.abs(gradient).max())
    assert scale > 0
    for flat in {*largest.tolist(), *drawn.tolist()}:
        index = np.unravel_index(flat, gradient.shape)
        assert gradient[index] == pytest.approx(slope(formula, exact, index, step), rel=1e-3, abs=1e-4 * scale)
    return value


def slope(formula: Callable[[np.ndarray], float], at: np.ndarray, index: tuple, step: float = 1e-4) -> float:
    """Slope of a formula along one entry, by central differences."""
    values = []
    for offset in (step, -step):
        moved = at.astype(np.float64)
        moved[index] += offset
        values.append(formula(moved))
    return (values[0] - values[1]) / (2 * step)


def check_parts(loss: Loss, given: np.ndarray, ab: np.ndarray, L: np.ndarray | None = None) -> None:
    """Hold the loss and gradient of a batch against those of its single photographs."""
    whole, gradient = evaluate(loss, given, make_batch(ab, L))
    parts = [
        evaluate(loss, given[i : i + 1], make_batch(ab[i : i + 1], None if L is None else L[i : i + 1]))
        for i in range(len(ab))
    ]
    assert whole == pytest.approx(np.mean([value for value, _ in parts]), rel=1e-5)
    np.testing.assert_allclose(
        gradient, np.concatenate([g for _, g in parts]) / len(ab), rtol=1e-3, atol=1e-5 * np.abs(gradient).max()
    )


def check_half_precision(loss: Loss, given: np.ndarray, batch: Batch) -> None:
    """Half-precision input must be judged in float32, mixed precision or not, and get its gradient in its own type."""
    for dtype in ("float16", "bfloat16"):
        rounded = paddle.to_tensor(given.astype(np.float32)).astype(dtype).astype("float32").numpy()
        expected, gradient = evaluate(loss, rounded, batch)
        with paddle.amp.auto_cast(dtype="bfloat16", level="O1"):
            value, half = evaluate(loss, given, batch, dtype)
        assert value == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(half, gradient, rtol=2e-2, atol=1e-7)


def annealed_mean(logits_bqhw: np.ndarray, temperature: float) -> np.ndarray:
    return np.einsum("bqhw,qc->bchw", softmax(logits_bqhw / temperature), BINS)


def photographs(number: int = 2, side: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lightness (B, 1, side, side) and ab (B, 2, side, side) that sRGB can show, float32."""
    rng = np.random.default_rng(seed)
    L = rng.uniform(40, 70, (number, 1, side, side))
    return L.astype(np.float32), rng.uniform(-18, 18, (number, 2, side, side)).astype(np.float32)


def recolored(ab_b2hw: np.ndarray, L_b1HW: np.ndarray) -> np.ndarray:
    """sRGB (B, 3, H, W), 0..1, float64, by scikit-image."""
    lab = np.concatenate([L_b1HW, bilinear(ab_b2hw, L_b1HW.shape[2:])], axis=1, dtype=np.float64)
    return lab2rgb(lab, channel_axis=1)


def gaussian(squared: np.ndarray, chosen: np.ndarray, sigma: float) -> np.ndarray:
    t = np.zeros(len(squared))
    t[chosen] = np.exp(-(squared[chosen] - squared[chosen].min()) / (2 * sigma**2))
    return t / t.sum()


def dense_target(colour: np.ndarray, neighbours: int, sigma: float, smoothing: dict | None) -> tuple[np.ndarray, int]:
    """Target (313,) of one colour, and its nearest bin."""
    squared = ((colour.astype(np.float64) - BINS) ** 2).sum(axis=1)
    order = np.argsort(squared, kind="stable")
    t, nearest = gaussian(squared, order[:neighbours], sigma), order[0]
    if smoothing is None:
        return t, nearest
    if "neighbours" not in smoothing:
        given = np.full(313, 1 / 313)
    else:
        apart = ((BINS[nearest] - BINS) ** 2).sum(axis=1)
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
