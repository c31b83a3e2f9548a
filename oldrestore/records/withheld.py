"""What a bundle does not say of the machine that its runs were made on: places, hosts, processes, trackers."""

from __future__ import annotations

import csv
import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from oldrestore.config.roles import Role, role_of
from oldrestore.errors import UserError
from oldrestore.records.parsing import read_config, read_json, read_overrides
from oldrestore.records.run_yaml import load_run_yaml
from oldrestore.tables import csv_table

WITHHELD = "left-out"  # stands for a place, as ``left-out/1``; a file keeps its name
# Of status.json: the process, and where trackers have the run.
OF_PROCESS = ("pid", "host", "process_started", "process_ticks", "slurm_job_id", "sinks")
# A patch must stay as it is, and photographs are named below their folder.
VERBATIM = ("patch", "patch_base64", "photographs", "packages")
# Which uncommitted changes are kept: those that name no host, user or outputs folder of the machine, any, or none.
PATCHES = ("public", "any", "none")
# An address, or an absolute path, quoted or not; a bare one has two parts, for "/" is also a sign.
_PLACE = re.compile(
    r"""(?P<quote>['"])(?P<quoted>(?:~[\w.-]*)?/[^'"]+)(?P=quote)|(?P<bare>[A-Za-z][\w+.-]*://[^\s'"<>]+"""
    r"""|(?<![\w./~+-])(?:~[\w.-]*/|/[^\s'"`,;:=/\])}|<>]+/)[^\s'"`,;:=\])}|<>]*)"""
)
_HOME = re.compile(r"(?:/home|/Users)/([^/]+)")


def is_withheld(value: Any) -> bool:
    """Whether a setting is a place that a bundle leaves out."""
    return isinstance(value, str) and value.split("/", 1)[0] == WITHHELD


class PublicRecords:
    """The records of runs without what names a machine.

    The same place gets the same number throughout, so that runs which differ in it still do.
    """

    def __init__(self, folders: Iterable[Path], patch: str = "public") -> None:
        self.folders = [Path(folder) for folder in folders]
        self.patch = patch  # one of `PATCHES`

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Every place that the runs' settings name, numbered from 1."""
        texts = (text for folder in self.folders for value in _settings(folder) for text in _texts(value))
        return {place: number for number, place in enumerate(sorted({p for t in texts for p in _places(t)}), 1)}

    @cached_property
    def private_words(self) -> set[str]:
        """Names of hosts and users, and their folders, as far as the runs recorded them."""
        words = {user for place in self.numbers for user in _HOME.findall(place)}
        for folder in self.folders:
            words.update(str(read_json(path).get("host")) for path in folder.glob("status.json"))
            for path in folder.glob("provenance.json"):
                members = read_json(path).get("processes") or []
                words.update(str(member.get("host")) for member in members if isinstance(member, dict))
            words.update(str(read_config(folder).get("outputs")) for _ in folder.glob("config.yaml"))
        return {word for word in words if len(word) > 2 and word not in ("None", "root", "localhost", "outputs")}

    def of(self, path: Path) -> bytes:
        """Return what a bundle holds of a file of a run or of its evaluation."""
        if path.name == "config.yaml":
            return self._config(path.parent)
        if path.name == "overrides.yaml":
            kept = [text for text in read_overrides(path.parent) if not _is_local(text)]
            lines = [f"- {json.dumps(self._public(text), ensure_ascii=False)}\n" for text in kept]
            return ("".join(lines) or "[]\n").encode()
        if path.suffix == ".json":
            content = read_json(path)
            changed = self._public(self._reduced(path.name, content))
            if changed == content:
                return path.read_bytes()
            return (json.dumps(changed, indent=2, ensure_ascii=False) + "\n").encode()
        return path.read_bytes()

    def table_of_sweep(self, path: Path) -> bytes:
        """Return what a bundle holds of ``jobs.csv`` or ``summary.csv``."""
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        special = {"folder": lambda text: "/".join(Path(text).parts[-2:]), "log": lambda _: ""}
        public = [{name: special.get(name, self._public)(value or "") for name, value in row.items()} for row in rows]
        return csv_table(public).encode()

    def keeps_patch(self, folder: Path) -> bool | None:
        """Whether the uncommitted changes of a run are kept; None if there are none."""
        path = folder / "provenance.json"
        patch = _patch_of(read_json(path)) if path.is_file() else ""
        return None if not patch else self._why_without(patch) is None

    def _why_without(self, patch: str) -> str | None:
        if self.patch == "none":
            return "the bundle was packed without it"
        named = self.patch == "public" and self._names_machine(patch)
        return "it names the machine or the user that it is of" if named else None

    def _config(self, folder: Path) -> bytes:
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        config = self._public(read_config(folder))
        if "outputs" in config:
            config["outputs"] = "outputs"
        if isinstance(config.get("tracking"), dict):
            config["tracking"] = _without_places(config["tracking"])
        try:
            text = OmegaConf.to_yaml(OmegaConf.create(config))
        except OmegaConfBaseException as error:
            raise UserError(f"{folder / 'config.yaml'} was not written by a run: {error}") from None
        if load_run_yaml(text) != config:
            raise UserError(f"{folder / 'config.yaml'} holds values that were not written by a run")
        return text.encode()

    def _reduced(self, name: str, content: dict[str, Any]) -> dict[str, Any]:
        if name == "status.json":
            content = {key: value for key, value in content.items() if key not in OF_PROCESS}
            if content.get("state") == "running":  # it was killed without a word
                content |= {"state": "killed", "reason": "its process is gone"}
        if name == "provenance.json":
            content = dict(content)
            if isinstance(content.get("processes"), list):
                members = [member for member in content["processes"] if isinstance(member, dict)]
                content["processes"] = [{k: v for k, v in one.items() if k != "host"} for one in members]
            if isinstance(content.get("command"), list):
                content["command"] = ["oldrestore", *content["command"][1:]]
            if (patch := _patch_of(content)) and (reason := self._why_without(patch)):
                content = {key: value for key, value in content.items() if key not in ("patch", "patch_base64")}
                content |= {"patch": None, "patch_left_out": reason}
        return content

    def _names_machine(self, text: str) -> bool:
        return any(re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", text) for word in self.private_words)

    def _public(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: item if key in VERBATIM else self._public(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._public(item) for item in value]
        return self._replaced(value) if isinstance(value, str) else value

    def _replaced(self, text: str) -> str:
        for place in sorted(_places(text), key=len, reverse=True):
            name = place.rstrip("/").rpartition("/")[2]
            is_file = "://" not in place and re.fullmatch(r"[^.].*\.[A-Za-z]\w*", name)
            parts = (WITHHELD, str(self.numbers.get(place, "")), name if is_file else "")
            text = text.replace(place, "/".join(filter(None, parts)))
        return text


def _patch_of(provenance: Mapping[str, Any]) -> str:
    patch, encoded = provenance.get("patch"), provenance.get("patch_base64")
    return str(patch or (b64decode(str(encoded)).decode(errors="replace") if encoded else ""))


def _settings(folder: Path) -> Iterator[Any]:
    """Yield the settings of a run and of its evaluations, and what was typed."""
    for path in (folder, *folder.glob("evaluations/*")):
        if (path / "config.yaml").is_file():
            yield from (read_config(path), read_overrides(path))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in VERBATIM:
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _places(text: str) -> set[str]:
    """Return the addresses that a text names, and the paths that lead out of the working folder.

    Of ``NAME=PLACE``, the whole rest is one.
    """
    if "/" not in text:
        return set()
    value = text.partition("=")[2].strip("'\"") if re.match(r"[+~]*[\w.@/]+=", text) else text
    if re.match(r"~[\w.-]*/|/.|\.\./", value) and "\n" not in value:
        return {value}
    return {match["quoted"] or match["bare"].rstrip(".,;:!?)") for match in _PLACE.finditer(text)}


def _is_local(override: str) -> bool:
    """Whether what was typed is about a place of outputs or a tracker."""
    name = override.partition("=")[0].lstrip("+~")
    return role_of(name) == Role.FREE | Role.LOCAL


def _without_places(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_places(value) for key, value in node.items()}
    return None if is_withheld(node) else node
