"""Two processes find together what one finds alone: batch norm, every loss, learners; and how work is shared."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore import parallel
from oldrestore.batch import Batch
from oldrestore.config.build import build
from oldrestore.config.pairs import choices
from oldrestore.data.loading.loader import BatchPositions
from oldrestore.errors import UserError
from oldrestore.evaluation.batching import batches, own_share, shared
from oldrestore.run.streams import TRAINING_STREAM, training_batch
from oldrestore.training.interruption import Interruption, Killed
from oldrestore.training.synchronised_norm import SynchronisedBatchNorm2D, synchronise_batch_norm
from tests.losses.test_every_loss import EXPENSIVE, LOSSES

WORKER = Path(__file__).with_name("parallel_worker.py")
# Of a gradient's largest value: what float32 leaves of a sum whose order is another.
TOLERANCE = 2e-5


def two_processes(folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Let two processes compare, and return the largest differences that either found, by what was compared."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PADDLE_", "CUDA_"))}
    log = folder / "log"
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_level", "ERROR"]
    done = subprocess.run(
        [sys.executable, *launcher, "--log_dir", str(log), str(WORKER), str(folder), *arguments],
        env=environment | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    logs = "\n".join(path.read_text() for path in sorted(log.glob("workerlog.*")))
    assert done.returncode == 0, logs[-4000:]
    return larger(*json.loads((folder / "result.json").read_text()))


def larger(one: Any, other: Any) -> Any:
    return {name: larger(one[name], other[name]) for name in one} if isinstance(one, dict) else max(one, other)


def assert_near_as_after_some_roundings(found: dict[str, dict[str, float]]) -> None:
    """Training multiplies what another order of sums changes: by how much, a run with nudged weights says."""
    for name, apart in found.items():
        assert 0 < apart["two"] <= 2 * apart["nudged"], (name, apart)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict[str, Any]]:
    return two_processes(tmp_path_factory.mktemp("two"), "norm,losses,supervised", "mse_dispersion", "hue_chroma",
                         "rebalanced_cross_entropy", "damage_mask", "restoration", "colorfulness")  # fmt: skip


def test_batch_norm_of_two_halves_is_that_of_the_whole(found):
    assert found["norm"].keys() == {"out", "to_input", "weight", "bias", "mean", "variance"}
    assert max(found["norm"].values()) < TOLERANCE, found["norm"]


def test_a_loss_of_two_halves_is_that_of_the_whole_though_one_half_has_a_gray_photograph(found):
    assert len(found["losses"]) == 6
    assert max(found["losses"].values()) < TOLERANCE, found["losses"]


def test_the_supervised_learner_clips_accumulates_and_averages_as_one_process_does(found):
    assert_near_as_after_some_roundings(found["supervised"])


@pytest.mark.slow
def test_every_loss_and_the_adversarial_learner(tmp_path):
    found = two_processes(tmp_path, "losses,adversarial", *LOSSES)
    assert found["losses"].keys() == LOSSES.keys() >= set(EXPENSIVE)
    assert max(found["losses"].values()) < TOLERANCE, found["losses"]
    assert_near_as_after_some_roundings(found["adversarial"])


@pytest.fixture
def be(monkeypatch):
    """Be one of several processes, as far as nothing is asked of the others."""

    def be(rank: int, size: int = 3) -> None:
        monkeypatch.setattr(parallel, "_size", size)
        monkeypatch.setattr(parallel, "_rank", rank)

    return be


def test_a_single_process_is_given_back_what_it_gives():
    value = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    with parallel.together():
        assert parallel.parts() == 1
        assert parallel.batch_sum(value) is value
        assert parallel.total(value) is value
        assert parallel.divisor(paddle.to_tensor(0.0)).item() == 1.0
        assert parallel.means({"loss": value}) == {"loss": value}
        assert parallel.gathered(lambda: 7) == [7]
    layer = nn.BatchNorm2D(2)
    synchronise_batch_norm(layer)
    assert type(layer) is nn.BatchNorm2D


def test_a_norm_that_cannot_be_shared_is_refused_and_others_keep_their_names(be):
    be(1)
    network = nn.Sequential(nn.Conv2D(1, 2, 1), nn.BatchNorm2D(2))
    before = list(network.state_dict())
    synchronise_batch_norm(network)
    assert type(network[1]) is SynchronisedBatchNorm2D
    assert list(network.state_dict()) == before
    with pytest.raises(UserError, match=r"Sequential\.1 is a BatchNorm1D.*trainer\.processes=1"):
        synchronise_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1D(2)))


def test_parts_of_a_batch_are_its_photographs_once_each(be):
    whole = list(BatchPositions(6, 2, 5))
    parts = []
    for rank in range(3):
        be(rank)
        parts.append(list(BatchPositions(6, 2, 5, parallel.own_part(6))))
    assert [[position for piece in pieces for position in piece] for pieces in zip(*parts, strict=True)] == whole
    assert parts[1] == [[14, 15], [20, 21], [26, 27]]


@pytest.mark.parametrize("count", [0, 1, 5, 12, 25])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_shared_work_comes_back_in_order_from_the_batches_of_a_single_process(be, monkeypatch, count, size):
    items = [f"photo{number}" for number in range(count)]
    found, cut = [], []
    for rank in range(3):
        be(rank)
        own = own_share(items, size)
        cut += list(batches(own, size))
        found.append([name.upper() for name in own])
    assert sorted(cut) == sorted(batches(items, size))
    monkeypatch.setattr(parallel, "gathered", lambda work: found)
    assert shared(lambda: [], size) == [name.upper() for name in items]


@pytest.mark.parametrize("name", ["hints", "holes", "sparse_positions", "colors"])
def test_hints_holes_and_positions_of_a_part_are_those_that_a_single_process_draws(be, name):
    inputs = build(choices("inputs")[name])
    rgb = np.random.default_rng(3).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    names = tuple("abcdef")
    whole = inputs(paddle.to_tensor(rgb), names, np.random.default_rng([TRAINING_STREAM, 5, 9]))
    be(1)
    part = training_batch(inputs, paddle.to_tensor(rgb[2:4]), names[2:4], 5, 9)
    assert part.names == ("c", "d")
    for field in vars(Batch(whole.L_b1hw, whole.ab_b2hw)):
        one, other = getattr(whole, field), getattr(part, field)
        assert (one is None) == (other is None), field
        if field != "names" and one is not None:
            np.testing.assert_array_equal(one[2:4].numpy(), other.numpy(), err_msg=field)


def test_damage_is_drawn_by_each_process_for_itself_and_as_alone_by_the_first(be):
    inputs = build(choices("inputs")["damaged"])
    rgb = paddle.to_tensor(np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
    alone = training_batch(inputs, rgb, ("a", "b"), 5, 9)
    for rank in range(2):
        be(rank, size=2)
        drawn = training_batch(inputs, rgb, ("a", "b"), 5, 9)
        assert (drawn.damaged_b3hw.numpy() == alone.damaged_b3hw.numpy()).all() == (rank == 0)


def test_a_signal_counts_once_all_know_of_it_and_the_launchers_repetitions_are_one(be, monkeypatch):
    be(1)
    monkeypatch.setattr(parallel, "signal_number", 0)
    interruption, other = Interruption(), Interruption()
    with interruption.listening():
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
    assert parallel.signal_number == signal.SIGTERM
    assert interruption.signal_name is None  # the loop goes on until the others know
    with pytest.raises(Killed, match="stopped by SIGTERM"):
        interruption.check()  # a validation may stop at once: what it found is gathered from all
    other.receive(0)
    assert other.signal_name is None
    other.receive(int(signal.SIGUSR1))
    assert other.signal_name == "SIGUSR1"
