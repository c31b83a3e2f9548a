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

Each runs on one core, in seconds of processor time, k-NN in processes of its own, as any Python program without what
`oldrestore.runtime.prepare` sets. The ways are measured in turn, round by round, and ratios are those of pairs. Before
that, all are checked to agree.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack

from pairs import alternate, machine, serve, standing, timed, times_faster

from oldrestore import runtime

SIZES = ((40, 176), (16, 64))  # photographs in a batch, side of a crop: the published setting and the quickstart
SIGMA = 5.0
STRIDE = 4
IN_LOOPS = 200  # pixels


class KNearestNeighbours:
    """The classic encoding of the colours of a batch, which needs nothing of Paddle.

    Parameters
    ----------
    ab_b2hw : ndarray
        True colours.
    bin_weights : ndarray
        Rebalancing weight of each bin.
    neighbours : int
    """

    def __init__(self, ab_b2hw, bin_weights, neighbours: int) -> None:
        import numpy as np
        from sklearn.neighbors import NearestNeighbors

        from oldrestore.color.bins import AB_BINS

        self.shape = ab_b2hw.shape
        self.points = np.ascontiguousarray(ab_b2hw.transpose(0, 2, 3, 1)).reshape(-1, 2)
        self.bin_weights = bin_weights
        self.tree = NearestNeighbors(n_neighbors=neighbours, algorithm="ball_tree").fit(AB_BINS)

    def sparse(self, points=None):
        """Return bins, their weights and the rebalancing weight of each pixel."""
        import numpy as np

        distances, indices = self.tree.kneighbors(self.points if points is None else points)
        weights = np.exp(-(distances**2) / (2 * SIGMA**2))
        weights /= weights.sum(axis=1, keepdims=True)
        return indices, weights, self.bin_weights[indices[:, 0]]

    def dense(self):
        """Return the dense target and the rebalancing weight of each pixel."""
        import numpy as np

        indices, weights, _ = self.sparse()
        dense = np.zeros((len(self.points), len(self.bin_weights)))
        dense[np.arange(len(self.points))[:, None], indices] = weights
        batch, _, height, width = self.shape
        target = np.empty((batch, len(self.bin_weights), height, width), np.float32)
        target[...] = dense.reshape(batch, height, width, -1).transpose(0, 3, 1, 2)
        return target, self.bin_weights[target.argmax(axis=1)]

    def in_loops(self) -> None:
        """Ask for one pixel after the other, `IN_LOOPS` of them."""
        for point in self.points[:: max(1, len(self.points) // IN_LOOPS)][:IN_LOOPS]:
            self.sparse(point[None])


CLASSIC = {
    "k-NN": KNearestNeighbours.dense,
    "k-NN, sparse": KNearestNeighbours.sparse,
    "k-NN in loops": KNearestNeighbours.in_loops,
}


def bin_weights():
    """Rebalancing weights of a prior that falls with chroma, float32 (313,)."""
    import numpy as np

    from oldrestore.color.bins import AB_BINS
    from oldrestore.color.prior import rebalancing_weights

    prior = np.exp(-(AB_BINS.astype(np.float64) ** 2).sum(axis=1) / (2 * 25.0**2))
    return rebalancing_weights(prior).astype(np.float32)


def measure(batch: int, side: int, neighbours: int, rounds: int) -> dict:
    """Measure all ways at one size; ratios of ours to each of the others."""
    import paddle

    from oldrestore.color.encoding_paddle import SoftEncoder

    ab_b2hw = true_colors(batch, side)
    tensor, weights_of_bins = paddle.to_tensor(ab_b2hw), paddle.to_tensor(bin_weights())
    encoder = SoftEncoder(neighbours, SIGMA)

    def ours():
        indices, weights = encoder(tensor)
        nearest = indices[:, 0]
        return indices, weights, paddle.gather(weights_of_bins, nearest.flatten()).reshape(nearest.shape)

    classic = KNearestNeighbours(ab_b2hw, bin_weights(), neighbours)
    pixels = len(classic.points)
    check_agreement(ours(), classic.sparse(), classic.dense(), pixels)
    with ExitStack() as stack:
        ways = {"ours": timed(ours, time.process_time)}
        for name in CLASSIC:
            command = [sys.executable, __file__, "--serve", name, str(batch), str(side), str(neighbours)]
            ways[name] = stack.enter_context(standing(command))
        seconds = alternate(ways, rounds)
    seconds["k-NN in loops"] = [took * pixels / IN_LOOPS for took in seconds["k-NN in loops"]]
    found = {name: times_faster(seconds, "ours", name) for name in CLASSIC}
    return {"pixels": pixels, "ratios": found, "seconds": seconds}


def true_colors(batch: int, side: int):
    """Return ab of shipped photographs, float32 (B, 2, side / 4, side / 4)."""
    import numpy as np

    from oldrestore.color.lab import rgb_to_lab
    from oldrestore.data.codecs.decode import decode_photo
    from oldrestore.data.cropping.crops import Crops
    from oldrestore.data.sources.photos import Photos

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
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        name, *numbers = options.serve
        batch, side, neighbours = map(int, numbers)
        classic = KNearestNeighbours(true_colors(batch, side), bin_weights(), neighbours)
        serve(timed(lambda: CLASSIC[name](classic), time.process_time))
        return
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
