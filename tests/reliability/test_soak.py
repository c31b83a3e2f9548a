"""For days: memory, open files and threads stay what they are, over many runs and many photographs.

``OLDRESTORE_SOAK_RUNS`` says how many runs; 200 where it says nothing.
"""

import contextlib
import gc
import io
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oldrestore.files import LineFile
from oldrestore.records.run import Run
from tests.generated_photographs import make_folder
from tests.reliability.faulty_runs import Yard

SECTION = "For days"
RUNS = int(os.environ.get("OLDRESTORE_SOAK_RUNS", "200"))
SETTLED = 10  # runs after which what is imported, compiled and cached once is there
# Of the process that trains again and again. Measured: less than 0.2 MiB a run, of which most is what allocators keep.
MIB_A_RUN = 0.5
MIB_IN_ALL = 60.0
OBJECTS_A_RUN = 1500  # MLflow's and SQLAlchemy's caches fill; an epoch's tensors or a run's curves would be far more
FOLDER_MIB = 200.0

SETTINGS = ["trainer.max_iterations=2", "trainer.evaluate_every=2", "trainer.log_every=1", "trainer.device=cpu"]
SETTINGS += ["evaluation.judged=null", "evaluation.samples=1"]


def soak(folder: Path, count: int, *overrides: str) -> list[dict]:
    command = [sys.executable, "-m", "tests.reliability.test_soak", str(folder), str(count), *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_runs_in_one_process(tmp_path, ledger):
    """With MLflow and VisualDL, as runs are by default."""
    held = soak(tmp_path, RUNS)
    assert len(held) == RUNS > SETTLED + 5
    first, last = held[SETTLED], held[-1]
    for what in ("files", "threads", "children"):
        assert last[what] <= first[what] + (2 if what == "files" else 0), (what, first, last)
    later = RUNS - SETTLED
    middle = [np.median([line["mib"] for line in part]) for part in (held[SETTLED : SETTLED + 5], held[-5:])]
    assert middle[1] - middle[0] < max(MIB_IN_ALL, MIB_A_RUN * later), middle
    assert last["objects"] - first["objects"] < OBJECTS_A_RUN * later, (first, last)
    if RUNS == 200:
        what, sentence = "quick runs with MLflow and VisualDL in one process", "no thread more, at most 2 files and"
        ledger.record(what, through="train", right=RUNS, sentence=f"{sentence} {MIB_A_RUN} MiB a run")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_processes_one_after_another(tmp_path, nursery, ledger):
    """What stays behind on the disk and in the system: no process, no temporary file, no lock."""
    photos = make_folder(tmp_path / "photos", train=3, val=2)
    place = tmp_path / "temporary"
    place.mkdir()
    yard = Yard(photos, tmp_path / "outputs", nursery)
    trackers = ["tracking=default", "tracking.mlflow.log_model=false", "tracking.mlflow.system_metrics=false"]
    for number in range(RUNS):
        yard.finish(*trackers, *SETTINGS, f"seed={number}", environment={"TMPDIR": place})
    folders = list(yard.outputs.glob("tiny/*"))
    assert len(folders) == RUNS
    assert {Run(folder).status["state"] for folder in folders} == {"finished"}
    assert not list(place.iterdir()), "temporary files stayed"
    assert not list(yard.outputs.rglob("*.tmp"))
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{yard.outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    found = client.search_runs([experiment.experiment_id], max_results=5000)
    assert {run.data.tags["run_id"] for run in found} == {folder.name for folder in folders}
    assert {run.info.status for run in found} == {"FINISHED"}
    if RUNS == 200:
        what = "quick runs in processes one after another, into one MLflow store"
        sentence = "nothing left behind in the temporary folder"
        ledger.record(what, through="train", right=RUNS, sentence=sentence)


@pytest.mark.slow
def test_a_few_runs_in_one_process_keep_no_file(tmp_path):
    """The short form: what leaks a file or a thread a run shows in three."""
    held = soak(tmp_path, 3, "tracking=none")
    assert held[-1]["files"] == held[1]["files"], held
    assert held[-1]["threads"] == held[1]["threads"], held


def test_a_line_after_closing_keeps_no_file_open(tmp_path):
    """What is printed after the end of a run, its folder's path, opens log.txt again."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        file = LineFile(tmp_path / f"{number}.txt")
        file.append("a\n")
        file.close()
        file.append("b\n")
        del file
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert (tmp_path / "4.txt").read_text() == "a\nb\n"


@pytest.mark.slow
def test_ten_thousand_photographs_are_described_with_little_memory(tmp_path, nursery, ledger):
    count = 10_000
    photos = tmp_path / "photos"
    for number in range(count):
        place = photos / f"{number // 1000}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.jpg", quality=90)
    describe = ["data", "describe", "--json", "dataset=image_folder", f"dataset.root={photos}"]
    cache = {"OLDRESTORE_CACHE": tmp_path / "cache"}
    first, again = (nursery.run(describe, environment=cache, seconds=280)[0] for _ in range(2))
    assert first.code == again.code == 0, first.err
    assert first.json == again.json
    assert sum(split["count"] for split in first.json.values()) == count
    assert max(first.mib, again.mib) < FOLDER_MIB, (first.mib, again.mib)
    what, sentence = (
        "photographs in one folder, described and fingerprinted",
        "each counted, the same fingerprint twice",
    )
    sentence = f"{sentence}, at most {FOLDER_MIB:g} MiB"
    ledger.record(what, through="data describe", right=count, sentence=sentence)


def main(folder: str, count: str, *overrides: str) -> None:
    """Train again and again in this process; print after each run what it holds."""
    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    import psutil

    from oldrestore.cli import main as command_line
    from tests.workshop import SETTINGS as SMALL

    photos = make_folder(Path(folder) / "photos", train=3, val=2)
    process = psutil.Process()
    for number in range(int(count)):
        said, complaints = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
            typed = [f"dataset.root={photos}", f"outputs={folder}/outputs", f"seed={number}", *SETTINGS, *overrides]
            code = command_line(["train", *SMALL, *typed])
        assert code == 0, complaints.getvalue()
        gc.collect()
        held = {
            "mib": process.memory_info().rss / 2**20,
            "files": process.num_fds(),
            "threads": process.num_threads(),
            "children": len(process.children(recursive=True)),
            "objects": len(gc.get_objects()),
        }
        print(json.dumps(held), flush=True)
    print(Counter(type(thing).__qualname__ for thing in gc.get_objects()).most_common(40), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
