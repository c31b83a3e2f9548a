"""The sweep as a parent run in MLflow, with the runs of its jobs nested below it."""

from __future__ import annotations

from pathlib import Path

from oldrestore.sweeps.ledger import Ledger, status_of
from oldrestore.sweeps.plan import Job
from oldrestore.sweeps.summary import Summary
from oldrestore.tracking.mlflow_store import open_store
from oldrestore.tracking.tracker import spoken_reason

PARENT = "mlflow parent at "  # and the store's address: how the ledger remembers it


def tell_mlflow(
    name: str, job: Job, ledger: Ledger, summary: Summary, folder: Path, report: Path | None = None
) -> str | None:
    """Create or find the parent run, nest the jobs' runs below it, and send the tables in `folder` and the report.

    `job` is any of the sweep's jobs, which share a tracking configuration. Returns why it failed, if it did.
    """
    node = job.config["tracking"].get("mlflow")
    if node is None:
        return None
    try:
        outputs = Path(job.config["outputs"])
        store = open_store(node.get("tracking_uri"), outputs, node.get("experiment") or job.config["experiment"])
        with ledger.settle_fact(f"{PARENT}{store.shown_uri}") as parent:
            if not parent:
                # One that the store had when it stood elsewhere is its parent still.
                parent += [run_id for run_id in ledger.facts(PARENT).values() if store.find("get_run", run_id)][:1]
            if not parent:
                tags = {"sweep": name, "mlflow.source.name": "oldrestore", "mlflow.source.type": "LOCAL"}
                created = store.patiently(
                    store.client.create_run, store.experiment_id, tags=tags, run_name=f"sweep {name}"
                )
                parent.append(created.info.run_id)
            (parent_id,) = parent
        for entry, _ in summary.jobs:
            link = (status_of(entry.folder).get("sinks") or {}).get("mlflow") or {}
            if "run_id" in link:
                store.patiently(store.client.set_tag, link["run_id"], "mlflow.parentRunId", parent_id)
        for file in (folder / "jobs.csv", folder / "summary.csv", *([report] if report else [])):
            store.patiently(store.client.log_artifact, parent_id, str(file))
        states = [entry.state for entry, _ in summary.jobs]
        for state in sorted(set(states)):
            store.patiently(store.client.set_tag, parent_id, f"jobs.{state}", str(states.count(state)))
        ended = "FINISHED" if set(states) == {"done"} else "FAILED"
        store.patiently(store.client.set_terminated, parent_id, ended)
    # Whatever a tracking service does wrong must not hurt the sweep.
    except Exception as error:  # noqa: BLE001
        return spoken_reason("sweep", error)
    return None
