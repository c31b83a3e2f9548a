"""Jobs that train nothing, for sweeps and searches."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.sweeps import launch as launching
from oldrestore.sweeps import sweep as sweeping

# Its loss is the job's value plus its seed; in a search, the distance of the learning rate from 0.01, in decades.
FAKE = """
import json, math, os, signal, sys, time
from pathlib import Path
from oldrestore.records.run_folder import RunFolder
job, ending = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
config = job["config"]
if "value" in config:
    loss = float(config["value"] + config["seed"])
else:
    loss = abs(math.log10(config["optimizer"]["learning_rate"]) + 2)
if job["resume"]:
    folder = RunFolder.open(Path(job["resume"]))
else:
    folder = RunFolder.create(Path(config["outputs"]), config["experiment"], config["run_id"])
    folder.write_config("seed: 0", [])
folder.status("running")
if ending == "kill" and not job["resume"]:
    os.kill(os.getpid(), signal.SIGKILL)
if ending == "refuse":
    print("oldrestore: there is no such thing", file=sys.stderr)
    sys.exit(2)
if ending == "prune":
    def stop(number, frame):
        folder.status("killed", "stopped by SIGTERM")
        sys.exit(1)
    signal.signal(signal.SIGTERM, stop)
    folder.scalars(3, {"val/loss": loss})
    time.sleep(1.0)
folder.scalars(6, {"val/loss": loss})
folder.status("failed" if ending == "fail" else "finished", ending, summary={"val/loss": loss})
if ending == "late":
    os.kill(os.getpid(), signal.SIGINT)
sys.exit(ending == "fail")
"""


@pytest.fixture
def endings(monkeypatch) -> dict[str, str]:
    """How jobs end, by ``value/seed``, or all others by ``*``: finish, fail, refuse, kill (at first), prune, or late: a
    signal after the run has finished."""
    told: dict[str, str] = {}
    real = subprocess.Popen

    def fake(command, **options):
        if "--job" not in command:
            return real(command, **options)
        config = json.loads(Path(command[-1]).read_text())["config"]
        ending = told.get(f"{config.get('value')}/{config['seed']}", told.get("*", "finish"))
        return real([sys.executable, "-c", FAKE, command[-1], ending], **options)

    monkeypatch.setattr(launching.subprocess, "Popen", fake)
    monkeypatch.setattr(sweeping, "POLL", 0.02)
    return told
