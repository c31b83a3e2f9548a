"""How the code of two runs differs: commits and uncommitted changes; and a worktree with the code of a run."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOWN = 6
PARTS = ("oldrestore/", "conf/", "experiments/", "sweeps/")


@dataclass(frozen=True)
class CodeDifference:
    """How code now differs from code then.

    Attributes
    ----------
    same : bool
        Package and configuration files are equal byte for byte, whatever the commits.
    patch_then, patch_now : str or None
        sha256 of the uncommitted changes; None if there were none.
    files : list of str
        Differing files of the package and the configuration, as far as git can tell.
    changed : dict
        The current uncommitted changes of the differing files; empty text if there are none any more.
    """

    same: bool
    commit_then: str | None
    commit_now: str | None
    patch_then: str | None
    patch_now: str | None
    files: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)

    def in_words(self) -> str:
        """Return one line."""
        if self.same:
            return "the code is the same"
        parts = []
        if self.commit_then != self.commit_now:
            parts.append(f"commit {_short(self.commit_then)} -> {_short(self.commit_now)}")
        if self.patch_then != self.patch_now:
            parts.append(f"uncommitted patch {_short(self.patch_then)} -> {_short(self.patch_now)}")
        more = f" and {len(self.files) - SHOWN} more" if len(self.files) > SHOWN else ""
        files = f" in {', '.join(self.files[:SHOWN])}{more}" if self.files else ""
        return f"the code differs{files} ({'; '.join(parts) or 'git does not say in what'})"


def compare_code(then: Mapping[str, Any], now: Mapping[str, Any], repository: Path | None) -> CodeDifference:
    """Compare the code of two runs by their ``provenance.json``.

    `repository` is a clone that knows what changed between two commits.
    """
    before, after = patch_sections(patch_text(then)), patch_sections(patch_text(now))
    names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    changed = {name: after.get(name, "") for name in names if name.startswith(PARTS)}
    files = set(changed)
    commits = then.get("commit"), now.get("commit")
    if repository is not None and all(map(is_commit, commits)) and commits[0] != commits[1]:
        files |= set(_changed_between(repository, *commits))
    return CodeDifference(
        same=then.get("code_hash") == now.get("code_hash"),
        commit_then=commits[0],
        commit_now=commits[1],
        patch_then=then.get("patch_sha256"),
        patch_now=now.get("patch_sha256"),
        files=sorted(files, key=lambda name: (not name.startswith(PARTS[0]), name)),
        changed={name: changed[name] for name in sorted(changed)},
    )


def is_commit(name: Any) -> bool:
    """Whether a text is a commit hash: anything else, from a foreign run folder, might be an option of git."""
    return isinstance(name, str) and re.fullmatch(r"[0-9a-f]{7,64}", name) is not None


def patch_text(provenance: Mapping[str, Any]) -> str:
    """Return the uncommitted changes that a run recorded; empty if there were none, or they were left out."""
    return patch_bytes(provenance).decode(errors="replace")


def patch_bytes(provenance: Mapping[str, Any]) -> bytes:
    """Return the same as bytes, for ``git apply``."""
    if provenance.get("patch_base64"):
        return base64.b64decode(provenance["patch_base64"])
    return (provenance.get("patch") or "").encode()


def patch_sections(patch: str) -> dict[str, str]:
    """Split a git patch by file."""
    sections = re.split(r"^(?=diff --git )", patch, flags=re.MULTILINE)
    found = {}
    for section in sections:
        header = re.match(r'diff --git "?a/.*? "?b/(.*?)"?\n', section)
        if header:
            found[header.group(1)] = section
    return found


def _changed_between(repository: Path, one: str, other: str) -> list[str]:
    command = ["git", "-C", str(repository), "diff", "--name-only", one, other, "--", *PARTS]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=60, encoding="utf-8", errors="replace")
    except (OSError, subprocess.SubprocessError):
        return []  # a commit that this clone does not have
    return done.stdout.splitlines()


def _short(value: str | None) -> str:
    return "none" if value is None else value[:10]
