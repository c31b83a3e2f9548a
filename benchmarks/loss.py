"""Time and memory of the sparse rebalanced cross-entropy, forward and backward, beside dense implementations.

    python benchmarks/loss.py [--repeats N] [--json]

Every figure comes from a process of its own, which sees the same logits and photographs: rebalanced soft
cross-entropy, 10 neighbours, lambda 0.5. Compared are

- ours: `oldrestore.losses.classification.SoftCrossEntropy`;
- dense: the soft target scattered into B x 313 x h x w, `log_softmax` over the class axis, product, sum, backward;
- dense, classes last: the same after moving the classes last, where Paddle's log-softmax on a CPU is faster.

The dense ones get the sparse encoding of the target from the same encoder as ours, so that the difference is that
of the loss alone. Time is the median of the repeats after one call for warming up. Memory is the peak of the resident
set during the first call at this size, over what was in use before it (Linux). It includes the gradient of the logits,
which none can do without and which is given beside it. On a GPU memory is that of Paddle's allocator, and time is
measured to the end of the device's work.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pairs

SIZES = ((40, 44), (16, 64))
NAMES = {"ours": "ours", "dense": "dense", "dense_last": "dense, classes last"}
MEGABYTE = 1024.0 * 1024.0


def measure(name: str, batch: int, side: int, repeats: int) -> dict[str, float]:
    """Time (s), extra memory (bytes), value and gradient norm of one implementation, in this process."""
    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    import numpy as np
    import paddle

    step = _implementations()[name]
    rng = np.random.default_rng([0, batch, side])

    def case(photos: int, pixels: int) -> tuple[paddle.Tensor, paddle.Tensor]:
        logits = rng.normal(0, 2, (photos, 313, pixels, pixels)).astype(np.float32)
        ab = rng.normal(0, 25, (photos, 2, 4 * pixels, 4 * pixels)).clip(-100, 100).astype(np.float32)
        return paddle.to_tensor(logits, stop_gradient=False), paddle.to_tensor(ab)

    def run(logits: paddle.Tensor, ab: paddle.Tensor) -> paddle.Tensor:
        logits.clear_gradient(set_to_zero=False)
        loss = step(logits, ab)
        loss.backward()
        if not paddle.get_device().startswith("cpu"):
            paddle.device.synchronize()
        return loss.detach()

    # What is made once - tables, kernels, the threads' buffers - belongs to no call.
    run(*case(1, 8))
    logits, ab = case(batch, side)
    memory = _extra_memory(lambda: run(logits, ab))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        loss = run(logits, ab)
        times.append(time.perf_counter() - start)
    norm = float(paddle.linalg.norm(logits.grad.flatten()))
    return {"seconds": statistics.median(times), "bytes": memory, "value": float(loss), "gradient_norm": norm}


def _implementations() -> dict[str, Callable[[Any, Any], Any]]:
    import numpy as np
    import paddle

    from oldrestore.batch import Batch, Prediction
    from oldrestore.color.bins import AB_BINS
    from oldrestore.color.encoding_paddle import SoftEncoder
    from oldrestore.color.prior import rebalancing_weights
    from oldrestore.losses.classification import Rebalance, SoftCrossEntropy

    prior = np.exp(-(AB_BINS.astype(np.float64) ** 2).sum(axis=1) / (2 * 25.0**2))
    loss = SoftCrossEntropy(neighbours=10, rebalance=Rebalance())
    loss.prepare(prior=prior)
    encoder = SoftEncoder(10, 5.0)
    bin_weights = paddle.to_tensor(rebalancing_weights(prior).astype(np.float32))

    def ours(logits, ab):
        return loss(Prediction(logits=logits), Batch(L_b1hw=ab[:, :1], ab_b2hw=ab))

    def encoded(logits, ab):
        indices, weights = encoder(ab[:, :, ::4, ::4])
        nearest = indices[:, 0]
        pixel_weights = paddle.gather(bin_weights, nearest.flatten()).reshape(nearest.shape)
        return indices, weights, pixel_weights / pixel_weights.size

    def dense(logits, ab):
        indices, weights, pixel_weights = encoded(logits, ab)
        target = paddle.put_along_axis(paddle.zeros(logits.shape), indices, weights, axis=1)
        log_p = paddle.nn.functional.log_softmax(logits, axis=1)
        return -(pixel_weights * (target * log_p).sum(axis=1)).sum()

    def dense_last(logits, ab):
        indices, weights, pixel_weights = encoded(logits, ab)
        indices, weights = (x.transpose([0, 2, 3, 1]) for x in (indices, weights))
        last = logits.transpose([0, 2, 3, 1])
        target = paddle.put_along_axis(paddle.zeros(last.shape), indices, weights, axis=3)
        log_p = paddle.nn.functional.log_softmax(last, axis=3)
        return -(pixel_weights * (target * log_p).sum(axis=3)).sum()

    return {"ours": ours, "dense": dense, "dense_last": dense_last}


def _extra_memory(call: Callable[[], Any]) -> float:
    """Peak memory during a call over that before it, bytes."""
    import paddle

    if not paddle.get_device().startswith("cpu"):
        before = paddle.device.cuda.memory_allocated()
        paddle.device.cuda.reset_max_memory_allocated()
        call()
        return float(paddle.device.cuda.max_memory_allocated() - before)
    return pairs.peak_memory(call)


def compare(batch: int, side: int, repeats: int) -> dict[str, dict[str, float]]:
    """Measure every implementation, each in a fresh process, and see that they agree."""
    found = {}
    for name in NAMES:
        command = [sys.executable, __file__, "--one", name, str(batch), str(side), "--repeats", str(repeats)]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found[name] = json.loads(printed.splitlines()[-1])
    for name, one in found.items():
        for what in ("value", "gradient_norm"):
            if abs(one[what] / found["ours"][what] - 1.0) > 1e-4:
                raise SystemExit(f"{name} and ours differ in {what}: {one[what]} and {found['ours'][what]}")
    return found


def show(batch: int, side: int, found: dict[str, dict[str, float]]) -> None:
    """Print one size as a table, ours as a share of the others."""
    gradient = batch * 313 * side * side * 4 / MEGABYTE
    print(f"\n{batch} x {side} x {side} positions; the gradient itself is {gradient:.0f} MB")
    print(f"{'':22}{'ms':>9}{'extra MB':>10}{'ours / it: time':>18}{'memory':>9}")
    ours = found["ours"]
    for name, one in found.items():
        ratios = [f"{ours[what] / one[what]:.3f}" for what in ("seconds", "bytes")]
        time_ms, extra = one["seconds"] * 1e3, one["bytes"] / MEGABYTE
        print(f"{NAMES[name]:22}{time_ms:9.1f}{extra:10.0f}{ratios[0]:>18}{ratios[1]:>9}", flush=True)


def main() -> None:
    """Measure all, or, as a process of its own, one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--one", nargs=3, metavar=("NAME", "BATCH", "SIDE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, batch, side = options.one
        print(json.dumps(measure(name, int(batch), int(side), options.repeats)))
        return
    results = {}
    for batch, side in SIZES:
        found = results[f"{batch}x{side}x{side}"] = compare(batch, side, options.repeats)
        if not options.json:
            show(batch, side, found)
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
