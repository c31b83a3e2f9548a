"""Soft encoding and class rebalancing, ours beside k nearest neighbours for each pixel as the classic projects do it.

    OMP_NUM_THREADS=1 python benchmarks/encoding.py [--rounds N] [--json]

Both sides get the same true colours (photographs that packages ship, at crop size, every fourth pixel) and give, for
each pixel, the Gaussian weights of its nearest bins of 313 (sigma 5) and the rebalancing weight of the pixel.

- ours: `SoftEncoder` on a Paddle tensor, which looks candidates up in a table, and a gather of the weights. The result
  is sparse: k bins and k weights for each pixel.
- k-NN: scikit-learn's `NearestNeighbors` (ball tree) asked for each pixel, on one core; the weights are put into a
  dense target with 313 numbers for each pixel, (B, 313, h, w), and the rebalancing weight is looked up at the largest
  of them, as the layers of the released Caffe code did and those that followed it do.
- k-NN, sparse: the same without the dense target: neighbours, weights, and the rebalancing weight of the nearest.
- k-NN in loops: the same as k-NN, sparse, asked for one pixel after the other, on a part of the pixels, multiplied.

Each runs on one core, in seconds of processor time; the ways are measured in turn, round by round, and ratios are those
of pairs. Before that, all are checked to agree.
"""

from __future__ import annotations

import argparse
import json
import time

from pairs import alternate, machine, timed, times_faster

from oldrestore import runtime

SIZES = ((40, 176), (16, 64))  # photographs in a batch, side of a crop: the published setting and the quickstart
SIGMA = 5.0
STRIDE = 4
IN_LOOPS = 200  # pixels


def measure(batch: int, side: int, neighbours: int, rounds: int) -> dict:
    """Measure all ways at one size; ratios of ours to each of the others."""
    import numpy as np
    import paddle
    from sklearn.neighbors import NearestNeighbors

    from oldrestore.color.bins import AB_BINS
    from oldrestore.color.encoding_paddle import SoftEncoder
    from oldrestore.color.prior import rebalancing_weights

    ab_b2hw = true_colors(batch, side)
    tensor = paddle.to_tensor(ab_b2hw)
    points = np.ascontiguousarray(ab_b2hw.transpose(0, 2, 3, 1)).reshape(-1, 2)
    prior = np.exp(-(AB_BINS.astype(np.float64) ** 2).sum(axis=1) / (2 * 25.0**2))
    bin_weights = rebalancing_weights(prior).astype(np.float32)
    bin_weights_on_device = paddle.to_tensor(bin_weights)
    encoder = SoftEncoder(neighbours, SIGMA)
    tree = NearestNeighbors(n_neighbors=neighbours, algorithm="ball_tree").fit(AB_BINS)

    def ours():
        indices, weights = encoder(tensor)
        nearest = indices[:, 0]
        return indices, weights, paddle.gather(bin_weights_on_device, nearest.flatten()).reshape(nearest.shape)

    def knn_sparse(of=points):
        distances, indices = tree.kneighbors(of)
        weights = np.exp(-(distances**2) / (2 * SIGMA**2))
        weights /= weights.sum(axis=1, keepdims=True)
        return indices, weights, bin_weights[indices[:, 0]]

    def knn():
        indices, weights, _ = knn_sparse()
        dense = np.zeros((len(points), len(AB_BINS)))
        dense[np.arange(len(points))[:, None], indices] = weights
        target = np.empty((batch, len(AB_BINS), *ab_b2hw.shape[2:]), np.float32)
        target[...] = dense.reshape(batch, *ab_b2hw.shape[2:], -1).transpose(0, 3, 1, 2)
        return target, bin_weights[target.argmax(axis=1)]

    def knn_in_loops():
        for point in points[:: max(1, len(points) // IN_LOOPS)][:IN_LOOPS]:
            knn_sparse(point[None])

    check_agreement(ours(), knn_sparse(), knn(), points.shape[0])
    works = {"ours": ours, "k-NN": knn, "k-NN, sparse": knn_sparse}
    ways = {name: timed(work, time.process_time) for name, work in works.items()}
    seconds = alternate(ways, rounds)
    in_loops = alternate({"ours": ways["ours"], "k-NN in loops": timed(knn_in_loops, time.process_time)}, rounds)
    scale = len(points) / IN_LOOPS
    in_loops["k-NN in loops"] = [took * scale for took in in_loops["k-NN in loops"]]
    found = {name: times_faster(seconds, "ours", name) for name in ways if name != "ours"}
    found["k-NN in loops"] = times_faster(in_loops, "ours", "k-NN in loops")
    return {"pixels": len(points), "ratios": found, "seconds": seconds | {"k-NN in loops": in_loops["k-NN in loops"]}}


def true_colors(batch: int, side: int):
    """Return ab of shipped photographs, float32 (B, 2, side / 4, side / 4)."""
    import numpy as np

    from oldrestore.color.lab import rgb_to_lab
    from oldrestore.data.crops import Crops
    from oldrestore.data.decode import decode_photo
    from oldrestore.data.photos import Photos

    crops = Crops(side, side)
    photos = Photos(crops).split("train").photos[:batch]
    ab = [rgb_to_lab(crops.evaluation(decode_photo(photo.path)))[::STRIDE, ::STRIDE, 1:] for photo in photos]
    return np.ascontiguousarray(np.stack(ab).transpose(0, 3, 1, 2))


def check_agreement(ours, sparse, dense, pixels: int) -> None:
    """Stop unless all give the same target and weights; of bins that are equally far, any may be the last one."""
    import numpy as np

    indices, weights, pixel_weights = (np.moveaxis(x.numpy(), 1, -1) if x.ndim == 4 else x.numpy() for x in ours)
    target = np.zeros((pixels, 313), np.float32)
    np.put_along_axis(target, indices.reshape(pixels, -1), weights.reshape(pixels, -1), axis=1)
    theirs = np.moveaxis(dense[0], 1, -1).reshape(pixels, -1)
    differing = (np.abs(target - theirs).max(axis=1) > 1e-4).mean()
    other_weights = (np.abs(pixel_weights.ravel() - sparse[2]) > 1e-6).mean()
    if differing > 1e-3 or other_weights > 1e-3:
        raise SystemExit(f"the ways do not agree on {differing:.2%} of the targets, {other_weights:.2%} of the weights")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    runtime.prepare()
    runtime.quiet_import_of_paddle()
    results = {}
    if not options.json:
        print(machine())
        print(f"{'':26}{'pixels':>8}{'ours, ms':>10}  times faster than: median (lowest..highest, pairs)")
    for batch, side in SIZES:
        for neighbours in (10, 5):
            found = measure(batch, side, neighbours, options.rounds)
            name = f"{batch} x {side} x {side}, k = {neighbours}"
            results[name] = found | {"ratios": {other: vars(ratio) for other, ratio in found["ratios"].items()}}
            if not options.json:
                ours = sorted(found["seconds"]["ours"])[options.rounds // 2] * 1e3
                print(f"{name:26}{found['pixels']:>8}{ours:>10.1f}", flush=True)
                for other, ratio in found["ratios"].items():
                    print(f"{'':46}{other:15}{ratio}", flush=True)
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
