"""Sends trackers what they missed of a run: from its folder, and as often as one likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore.config.build import build
from oldrestore.config.compose import compose_unchecked, resolved, set_value
from oldrestore.config.overrides import parse_overrides
from oldrestore.config.roles import is_place
from oldrestore.config.signature import check_component, unknown_name
from oldrestore.engines.pyfunc import finished_model
from oldrestore.errors import UserError
from oldrestore.plain import decode_float
from oldrestore.records.finding import refuse_links_out
from oldrestore.records.liveness import lock_run
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.records.withheld import is_withheld
from oldrestore.tracking.protocol import End, RunInfo, Sink
from oldrestore.tracking.tracker import hand_over, spoken_reason


@dataclass
class SyncReport:
    """What one tracker was sent."""

    state: str  # ``complete`` or ``off``
    sent: dict[str, int] = field(default_factory=dict)  # metrics, pictures, files ...; empty if it had everything
    link: dict[str, Any] = field(default_factory=dict)  # where its record is
    reason: str | None = None  # why it failed

    def in_words(self) -> str:
        """Return one line."""
        if self.reason is not None:
            return f"could not be told: {self.reason}"
        if not self.sent:
            return "has everything; nothing was sent"
        return "sent " + ", ".join(f"{count} {what if count > 1 else what[:-1]}" for what, count in self.sent.items())


def sync_run(folder: Path, config: DictConfig) -> dict[str, SyncReport]:
    """Bring the trackers of a run's configuration up to date with its folder, and record how that went there."""
    status = Run(folder).status
    if status["alive"]:
        raise UserError(f"run '{folder.name}' is still running (process {status['pid']}) and tells its trackers itself")
    refuse_links_out(folder)
    with lock_run(folder):
        for _ in Run(folder).scalars():  # a damaged line is refused before anything is sent
            pass
        run, end = _run_info(folder, config), _end_of(folder, config, status)
        known = status.get("sinks") or {}
        reports = {name: _tell(build(node), run, end, known.get(name) or {}) for name, node in config.tracking.items()}
        written = {
            name: {**report.link, "state": report.state, **({"reason": report.reason} if report.reason else {})}
            for name, report in reports.items()
        }
        RunFolder.open(folder).update_status(sinks={**known, **written})
    return reports


def change_trackers(config: DictConfig, overrides: Sequence[str], places: bool = False) -> DictConfig:
    """Change a run's trackers by overrides such as ``tracking.mlflow.tracking_uri=URI`` or ``tracking=mlflow``.

    With `places`, places of photographs may be changed too (``dataset.root=FOLDER``), and any that a bundle leaves out;
    anything else is a `UserError`.
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
        is_where = is_place(name) or is_withheld(OmegaConf.select(changed, name))
        if not (name.startswith("tracking.") or (places and is_where)):
            more = ", places of photographs (dataset.root=FOLDER)" if places else ""
            raise UserError(f"'{text}' is not understood here: only outputs=FOLDER{more} and tracking settings are")
        if not isinstance(section, DictConfig) or key not in section:
            raise UserError(unknown_name(name, parent, key, [str(k) for k in section or {}]))
        set_value(changed, name, override.value())
    plain = resolved(changed)
    for name, node in plain["tracking"].items():
        check_component(node, f"tracking.{name}")
    return OmegaConf.create(plain)


def _tell(sink: Sink, run: RunInfo, end: End, known: Mapping[str, Any]) -> SyncReport:
    if "logdir" in known and known.get("state") == "complete":
        logdir = run.folder / Path(known["logdir"]).name  # the run may have been moved
        if logdir.is_dir():
            return SyncReport("complete", link={"logdir": str(logdir)})  # no service that could be asked
    try:
        for _ in hand_over(sink, run, lambda: end):
            pass
    # Whatever a tracking service does wrong is reported as within a run.
    except Exception as error:  # noqa: BLE001
        return SyncReport("off", reason=spoken_reason("sync", error), link=dict(sink.link))
    return SyncReport("complete", sent={what: n for what, n in sink.sent.items() if n}, link=dict(sink.link))


def _run_info(folder: Path, config: DictConfig) -> RunInfo:
    run, path = Run(folder), folder.absolute()
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
        over=True,
    )


def _end_of(folder: Path, config: DictConfig, status: Mapping[str, Any]) -> End:
    summary = {name: decode_float(value) for name, value in (status.get("summary") or {}).items()}
    if status.get("state") == "running":
        return End("killed", "its process is gone", summary)
    model = finished_model(folder.absolute(), config) if status["state"] == "finished" else None
    return End(status["state"], status.get("reason"), summary, model)
