"""Run ids; and what makes two jobs the same: settings that change results, photographs, and code, but not the seed."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from oldrestore.config.aliases import with_first_targets
from oldrestore.config.build import build
from oldrestore.config.location import PACKAGE
from oldrestore.config.roles import Role, role_of, settings_that_count
from oldrestore.files import sha256_of
from oldrestore.plain import plain

DECODING = "dataset.crops.decoding"

# Parts of the package that did not count when nearly all of it did.
NO_CODE = (
    "commands/",
    "tracking/",
    "records/",
    "catalogue/",
    "config/",
    "cli.py",
    "__main__.py",
    "sweeps/",
    "reproduction/",
    "comparison/",
    "report/",
    "photographs/",
)


def new_run_id() -> str:
    """Return a new run id, ``YYYYMMDD-HHMMSS-xxxxxxxxxx``: the time, then 40 random bits.

    Two of a thousand runs of one second share a name once in two million such seconds, and a run folder that exists is
    refused, never shared.
    """
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(5)}"


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a resolved configuration, by dotted name, that a job's results depend on.

    A weights file counts by its contents.
    """
    kept = {}
    for name, value in settings_that_count(config).items():
        role = role_of(name)
        if Role.BITS in role and value in (None, 1):
            continue
        counts_by_contents = Role.FILE in role and name != "evaluation.prior_file"  # whose path ledgers already have
        if counts_by_contents and isinstance(value, str) and Path(value).is_file():
            value = f"sha256:{_sha256(Path(value), Path(value).stat().st_mtime_ns)}"
        kept[name] = plain(value)
    return kept


def fingerprints_of(config: Mapping[str, Any], known: dict[str, str] | None = None) -> dict[str, str]:
    """Return the fingerprint of each set of photographs that a job sees; `UserError` if they are missing.

    Pass the same `known` for every job: most photographs are the same.
    """
    known = {} if known is None else known
    dataset, evaluation = config["dataset"], config["evaluation"]
    fingerprints = {name: _fingerprint(dataset, name, known) for name in ("train", "val")}
    judged = evaluation["judged"]
    if judged is not None:
        node = dataset if judged == "dataset" else judged
        fingerprints["judged"] = _fingerprint(node, evaluation["judged_split"], known)
    return fingerprints


def identity_of(settings: Mapping[str, Any], fingerprints: Mapping[str, str]) -> str:
    """sha256 (hex) over settings and photographs."""
    settings = dict(settings)
    # What `decoding` replaced, so that jobs of before which see the same pixels stay the same.
    if settings.get(DECODING) in ("full", "scaled"):
        settings[f"{DECODING.rpartition('.')[0]}.scaled_decoding"] = settings.pop(DECODING) == "scaled"
    text = json.dumps({"settings": with_first_targets(settings), "photographs": fingerprints}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def results_code_hash() -> str:
    """Hash nearly the whole package, as versions did before `source_code` found what a job needs (sha256, hex)."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(PACKAGE).as_posix()
        if path.suffix in (".py", ".safetensors") and not name.startswith(NO_CODE):
            digest.update(f"{name}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _fingerprint(node: Mapping[str, Any], split: str, known: dict[str, str]) -> str:
    key = json.dumps([node, split], sort_keys=True)
    if key not in known:
        known[key] = build(node).split(split).fingerprint
    return known[key]


@cache
def _sha256(path: Path, changed_at: int) -> str:
    return sha256_of(path)
