"""Says what a run is about to do, before its first iteration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paddle
from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.models.weights import parameter_count
from oldrestore.run.components import Components
from oldrestore.scoring.protocols import protocol_of


def introduction(config: DictConfig, components: Components) -> Iterator[str]:
    """Yield the lines that name run folder, device, network, loss, photographs, protocol and judge."""
    network, judged = components.network, components.judged
    yield f"run       {Path(config.outputs) / config.experiment / config.run_id}"
    several = f", {parallel.size()} processes" if parallel.size() > 1 else ""
    yield f"device    {paddle.get_device()}{several}"
    yield f"model     {type(network).__name__}, {parameter_count(network):,} parameters"
    yield f"loss      {config.loss['_target_'].rpartition('.')[2]}"
    train, validation = components.train, components.validation
    left_out = len(train.left_out)
    note = f" ({left_out} files left out: see data.json)" if left_out else ""
    yield f"data      {train.source}: {len(train.photos)} to train on, {len(validation.photos)} to validate{note}"
    for said in train.notes:
        yield f"note      {said}"
    judge = judged.judge if judged is not None else None
    yield f"protocol  {protocol_of(config, len(validation), judge, components.prior).label}"
    if judged is not None:
        yield f"judge     {judge.name} on {len(judged.split.photos)} photographs of {judged.split.source}"
