"""One of two processes: compares what they find together with what each finds alone on the whole batch.

Started by `paddle.distributed.launch`, see `test_parallel.py`; writes the largest differences as JSON.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from oldrestore import parallel, runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

import numpy as np  # noqa: E402
import paddle  # noqa: E402
from paddle import nn  # noqa: E402

from oldrestore.batch import Batch  # noqa: E402
from oldrestore.config.build import build  # noqa: E402
from oldrestore.config.pairs import choices  # noqa: E402
from oldrestore.losses.adversarial import Hinge, Wasserstein  # noqa: E402
from oldrestore.models.eccv16 import Eccv16  # noqa: E402
from oldrestore.models.patch_discriminator import PatchDiscriminator  # noqa: E402
from oldrestore.training.adversarial import AdversarialLearner  # noqa: E402
from oldrestore.training.supervised import SupervisedLearner  # noqa: E402
from oldrestore.training.synchronised_norm import synchronise_batch_norm  # noqa: E402
from tests.losses import test_every_loss as each_loss  # noqa: E402
from tests.models.overfitting import pixels  # noqa: E402

# As many as a sum of some hundred terms collects when its order is another.
ROUNDINGS, EPSILON = 24, float(np.finfo(np.float32).eps)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Be a single process for a while."""
    before = parallel._size, parallel._rank
    parallel._size, parallel._rank = 1, 0
    try:
        yield
    finally:
        parallel._size, parallel._rank = before


def distance(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Largest difference of any array, as a share of that array's largest value."""
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    return max(
        float(np.abs(ours[name] - theirs[name]).max() / max(np.abs(theirs[name]).max(), 1e-12)) for name in theirs
    )


def part_of(batch: Batch) -> Batch:
    """This process's part of a batch."""
    own = parallel.own_part(batch.L_b1hw.shape[0])
    return replace(batch, **{name: value[own] for name, value in vars(batch).items() if value is not None})


def photographs(gray: int = 3) -> np.ndarray:
    """Four photographs, one of them gray, so that two parts have different numbers of photographs that count."""
    two = pixels(2, each_loss.SIDE).numpy()
    four = np.concatenate([two, two[:, ::-1]])
    four[gray] = four[gray].mean(axis=-1, keepdims=True).round().astype(np.uint8)
    return np.ascontiguousarray(four)


def batch_for(network: nn.Layer) -> Batch:
    """The four photographs as the first choice of conf/inputs makes them that gives what the network reads."""
    for node in each_loss.inputs():
        batch = build(node)(paddle.to_tensor(photographs()), tuple("abcd"), np.random.default_rng(0))
        if all(getattr(batch, field) is not None for field in network.reads):
            return batch
    raise AssertionError(network.reads)


def norm() -> dict[str, float]:
    """Batch norm: outputs, gradients to input and parameters, and running statistics."""
    rng = np.random.default_rng(0)
    x, slope = (rng.standard_normal((6, 5, 4, 3)).astype(np.float32) * 3 + 7 for _ in range(2))
    x[:3] += 20  # parts that differ much in mean
    found = []
    for whole in (True, False):
        paddle.seed(0)
        layer = nn.BatchNorm2D(5, momentum=0.8)
        layer.weight.set_value(paddle.arange(1, 6).astype("float32"))
        own = slice(None) if whole else parallel.own_part(6)
        given = paddle.to_tensor(x[own], stop_gradient=False)
        with alone() if whole else parallel.together():
            synchronise_batch_norm(layer)
            out = layer(given)
            (out * paddle.to_tensor(slope[own])).mean().backward()
            parallel.average_gradients(layer.parameters())
            pieces = {"out": out, "to_input": given.grad / parallel.parts()}
            result = {k: np.concatenate(parallel.gather(v.numpy())) for k, v in pieces.items()}
        result |= {"weight": layer.weight.grad.numpy(), "bias": layer.bias.grad.numpy()}
        result |= {"mean": layer._mean.numpy(), "variance": layer._variance.numpy()}
        found.append(result)
    return {name: distance({name: found[1][name]}, {name: found[0][name]}) for name in found[0]}


def losses(names: list[str]) -> dict[str, float]:
    """Each loss: its terms, and the gradients of a network's parameters."""
    return {name: one_loss(name) for name in names}


def one_loss(name: str) -> float:
    own_folder = Path(sys.argv[1]) / f"{name}-{parallel.rank()}"
    own_folder.mkdir(parents=True)
    loss = each_loss.make_loss(name, own_folder)
    if name == "mse_dispersion":
        loss.weight = 1e6  # so that the term, and what flows through its sums, counts beside the other
    found = []
    for whole in (True, False):
        network = each_loss.make_network(each_loss.LOSSES[name])
        network.train()
        batch = batch_for(network)
        with alone() if whole else parallel.together():
            synchronise_batch_norm(network)
            given = batch if whole else part_of(batch)
            terms = loss.terms(network(*(getattr(given, field) for field in network.reads)), given)
            terms["loss"].backward()
            parallel.average_gradients(network.parameters())
            terms = {k: v for k, v in parallel.means(terms).items() if k != parallel.SIGNAL}
        # What a batch norm subtracts has a gradient of rounding errors alone.
        gradients = {k: p.grad.numpy() for k, p in network.named_parameters() if p.grad is not None}
        largest = max(np.abs(value).max() for value in gradients.values())
        kept = {k: v for k, v in gradients.items() if (k in found[0] if found else np.abs(v).max() > 1e-4 * largest)}
        found.append(kept | {k: v.numpy() for k, v in terms.items()})
    return distance(found[1], found[0])


def trained(make: Callable[[], Any], steps: int = 3) -> dict[str, float]:
    """Where some updates lead: two processes, and one whose weights differ by some roundings, against one.

    Distances of weights, averages and what optimizers keep are shares of how far the weights moved; those of curves
    are relative.
    """
    states, curves = [], []
    for whole, roundings in ((True, 0), (False, 0), (True, ROUNDINGS)):
        with alone() if whole else contextlib.nullcontext():
            paddle.seed(0)
            learner = make()
            start = in_a_row(learner.network.state_dict())
            nudge(learner.network, roundings)
            batch = batch_for(learner.network)
            given = batch if whole else part_of(batch)
            terms = [learner.step([given] * learner.accumulate, i) for i in range(steps)]
            curves.append({f"{k}@{i}": v.numpy() for i, each in enumerate(terms) for k, v in each.items()})
            curves[-1] = {k: v for k, v in curves[-1].items() if not k.startswith(parallel.SIGNAL)}
            states.append(in_a_row(learner.checkpoint().tensors))
            if whole and not roundings:
                moved = np.linalg.norm(in_a_row(learner.network.state_dict()) - start)
    everywhere = parallel.gather(states[1].tobytes())
    assert everywhere[0] == everywhere[1], "the processes have drifted apart"
    return {
        name: max(float(np.linalg.norm(states[run] - states[0]) / moved), distance(curves[run], curves[0]))
        for name, run in (("two", 1), ("nudged", 2))
    }


def in_a_row(tensors: Mapping[str, Any]) -> np.ndarray:
    values = [np.asarray(tensors[name]) for name in sorted(tensors)]
    return np.concatenate([value.ravel() for value in values if value.dtype.kind == "f"])


def nudge(network: nn.Layer, roundings: int) -> None:
    """Move each parameter up or down by so many roundings of float32."""
    rng = np.random.default_rng(0)
    for parameter in network.parameters():
        sign = rng.choice([-1, 1], parameter.shape)
        parameter.set_value((parameter.numpy() * (1 + roundings * EPSILON * sign)).astype(np.float32))


def supervised() -> dict[str, dict[str, float]]:
    """The supervised learner with clipping, accumulation and a moving average, on a network with batch norm."""
    loss = each_loss.make_loss("rebalanced_cross_entropy", Path(sys.argv[1]))

    def make() -> SupervisedLearner:
        sgd = partial(paddle.optimizer.Momentum, learning_rate=0.02, momentum=0.9)
        return SupervisedLearner(Eccv16(width=0.125), loss, sgd, gradient_clip=0.5, accumulate=2, ema_decay=0.9)

    return {"supervised": trained(make)}


def adversarial() -> dict[str, dict[str, float]]:
    """The adversarial learner: two optimizers, spectral norm, matched features; and with a gradient penalty."""

    def make(game: Any, **settings: Any) -> AdversarialLearner:
        network = build({**choices("model")["sagan_restore"], "width": 0.0625})
        sgd = partial(paddle.optimizer.SGD, learning_rate=0.01)
        judge = PatchDiscriminator(judges="rgb", width=0.0625, **settings)
        loss = each_loss.make_loss("restoration", Path(sys.argv[1]))
        return AdversarialLearner(
            network, loss, sgd, judge, sgd, game, adversarial_weight=0.1, feature_weight=1.0, discriminator_steps=2
        )

    return {
        "hinge": trained(partial(make, Hinge())),
        "wasserstein": trained(partial(make, Wasserstein(), attention_scale=None)),
    }


def main() -> None:
    """Do what the command line names, and have rank 0 write it down."""
    parallel.join()
    folder, what, *names = sys.argv[1:]
    parts = {"norm": norm, "losses": partial(losses, names), "supervised": supervised, "adversarial": adversarial}
    found = {name: parts[name]() for name in what.split(",")}
    worst = parallel.gather(found)
    if parallel.is_first():
        Path(folder, "result.json").write_text(json.dumps(worst))


if __name__ == "__main__":
    main()
