"""Sends trackers what they missed of a run: from its folder, and as often as one likes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore.config.build import build
from oldrestore.config.compose import compose_unchecked, resolved, set_value
from oldrestore.config.overrides import parse_overrides
from oldrestore.config.roles import is_place
from oldrestore.config.signature import check_component, unknown_name
from oldrestore.engines.pyfunc import log_model
from oldrestore.errors import UserError
from oldrestore.plain import decode_float
from oldrestore.records.finding import refuse_links_out
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.records.run_lock import RunLock
from oldrestore.records.superseded import held_now
from oldrestore.tracking.protocol import RunInfo, Tracker
from oldrestore.tracking.tracker import spoken_reason


@dataclass
class SyncReport:
    """What became of one tracker.

    Attributes
    ----------
    state : str
        ``complete`` or ``off``.
    sent : dict of int
        How many metrics, pictures, files and so on it was sent; empty where it had everything.
    link : dict
        Where its record is.
    reason : str or None
        Why it could not be told.
    """

    state: str
    sent: dict[str, int] = field(default_factory=dict)
    link: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None

    def in_words(self) -> str:
        """Return one line."""
        if self.reason is not None:
            return f"could not be told: {self.reason}"
        if not self.sent:
            return "has everything; nothing was sent"
        return "sent " + ", ".join(f"{count} {what if count > 1 else what[:-1]}" for what, count in self.sent.items())


def sync_run(folder: Path, config: DictConfig) -> dict[str, SyncReport]:
    """Bring every tracker of a run up to date with its folder, which says afterwards how that went.

    Parameters
    ----------
    folder : Path
        The run folder.
    config : DictConfig
        The run's; its ``tracking`` names the trackers.

    Raises
    ------
    UserError
        The run is still running, and tells its trackers itself.
    """
    status = Run(folder).status
    if status["alive"]:
        raise UserError(f"run '{folder.name}' is still running (process {status['pid']}) and tells its trackers itself")
    refuse_links_out(folder)
    with RunLock(folder):
        run = _run_info(folder, config, status)
        known = status.get("sinks") or {}
        reports = {
            name: _tell(build(node), run, status, config, known.get(name) or {})
            for name, node in config.tracking.items()
        }
        own = RunFolder.open(folder)
        written = {
            name: {**report.link, "state": report.state, **({"reason": report.reason} if report.reason else {})}
            for name, report in reports.items()
        }
        own.update_status(sinks={**known, **written})
    return reports


def change_trackers(config: DictConfig, overrides: Sequence[str], places: bool = False) -> DictConfig:
    """Change a run's trackers by overrides such as ``tracking.mlflow.tracking_uri=URI`` or ``tracking=mlflow``.

    Parameters
    ----------
    config : DictConfig
    overrides : sequence of str
    places : bool
        Whether the places of photographs may be changed too (``dataset.root=FOLDER``).

    Raises
    ------
    UserError
        Something else is overridden, or a tracker does not take what is given.
    """
    changed = OmegaConf.create(OmegaConf.to_container(config))
    for override in parse_overrides(overrides):
        name, text = override.key_or_group, override.input_line
        if name == "tracking":
            tracking = OmegaConf.to_container(compose_unchecked([text]), resolve=False)["tracking"]
            OmegaConf.update(changed, "tracking", tracking, merge=False)
            continue
        parent, _, key = name.rpartition(".")
        section = OmegaConf.select(changed, parent) if parent else None
        if not (name.startswith("tracking.") or (places and is_place(name))):
            more = ", places of photographs (dataset.root=FOLDER)" if places else ""
            raise UserError(f"'{text}' is not understood here: only outputs=FOLDER{more} and tracking settings are")
        if not isinstance(section, DictConfig) or key not in section:
            raise UserError(unknown_name(name, parent, key, [str(k) for k in section or {}]))
        set_value(changed, name, override.value())
    plain = resolved(changed)
    for name, node in plain["tracking"].items():
        check_component(node, f"tracking.{name}")
    return OmegaConf.create(plain)


def _tell(
    sink: Tracker, run: RunInfo, status: Mapping[str, Any], config: DictConfig, known: Mapping[str, Any]
) -> SyncReport:
    if "logdir" in known and known.get("state") == "complete":
        logdir = run.folder / Path(known["logdir"]).name  # where the run stands now
        if logdir.is_dir():
            return SyncReport("complete", link={"logdir": str(logdir)})  # there is no one to ask
    state, reason = _ending(status)
    summary = {name: decode_float(value) for name, value in (status.get("summary") or {}).items()}
    best = run.folder / "checkpoints" / "best.safetensors"
    try:
        sink.start(run)
        if state == "finished" and config.evaluation.color and best.is_file():
            log_model(sink, run.folder)
        sink.finish(state, reason, summary)
    # Whatever a tracking service does wrong is said in the same words as when it goes wrong within a run.
    except Exception as error:  # noqa: BLE001
        return SyncReport("off", reason=spoken_reason("sync", error), link=dict(getattr(sink, "link", None) or {}))
    sent: Counter[str] = getattr(sink, "sent", Counter())
    return SyncReport("complete", sent={what: n for what, n in sent.items() if n}, link=dict(sink.link))


def _run_info(folder: Path, config: DictConfig, status: Mapping[str, Any]) -> RunInfo:
    run = Run(folder)
    iterations = [int(curve.iterations[-1]) for curve in run.curves.values()]
    metrics = folder / "metrics.jsonl"
    # A run that was killed has written no end: its last line is it.
    last_sign = metrics.stat().st_mtime * 1000 if metrics.exists() else _milliseconds(status.get("started"))
    held = replace(
        held_now(folder, max(iterations, default=0)),
        started_ms=_milliseconds(status.get("started")),
        ended_ms=_milliseconds(status.get("ended")) or int(last_sign or 0),
    )
    path = folder.absolute()
    return RunInfo(
        folder=path,
        outputs=path.parent.parent,
        run_id=path.name,
        experiment=path.parent.name,
        config=OmegaConf.to_container(config),
        config_yaml=(folder / "config.yaml").read_text(encoding="utf-8"),
        overrides=run.overrides,
        provenance=run.provenance,
        data=run.data,
        seed=config.seed,
        choices=run.choices,
        continued=held,
    )


def _ending(status: Mapping[str, Any]) -> tuple[str, str | None]:
    if status.get("state") == "running":
        return "killed", "its process is gone"
    return status["state"], status.get("reason")


def _milliseconds(time: str | None) -> int | None:
    return None if time is None else int(datetime.fromisoformat(time).timestamp() * 1000)
