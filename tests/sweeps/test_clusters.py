"""The Slurm array of docs/clusters.md, run by submitit's executor for one machine."""

import re
import sys
from pathlib import Path

import pytest

from oldrestore.sweeps.ledger import Ledger

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"
submitit = pytest.importorskip("submitit")


@pytest.mark.slow
def test_workers_of_an_array_share_a_sweep(workshop, tmp_path, monkeypatch):
    """Every job is done once, and two workers have had some; the example is run as it is printed, but for names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    settings = ["tracking=none", "evaluation.judged=null", "seed=0,1,2", "--name", "array"]
    command = [sys.executable, "-m", "oldrestore", "sweep", *workshop.arguments(settings)]
    for printed, here in (
        ('"submitit_logs"', '"logs", cluster="local"'),
        ("gpus_per_node=1", "gpus_per_node=0"),
        ('["oldrestore", "sweep", "sweeps=rebalancing"]', repr(command)),
        ("range(8)", "range(2)"),
    ):
        assert example.count(printed) == 1
        example = example.replace(printed, here)
    names: dict = {}
    exec(compile(example, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    assert all(worker.done() for worker in names["workers"])
    ledger = Ledger(workshop.outputs / "sweeps" / "array" / "ledger.db")
    assert sorted((entry.seed, entry.state, entry.attempts) for entry in ledger.entries()) == [
        (seed, "done", 1) for seed in range(3)
    ]
    assert len(list(workshop.outputs.glob("tiny/*/config.yaml"))) == 3
