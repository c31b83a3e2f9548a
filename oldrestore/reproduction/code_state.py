"""How the code of two runs differs: commits and uncommitted changes; and a worktree with the code of a run."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError

SHOWN = 6
PARTS = ("oldrestore/", "conf/", "experiments/", "sweeps/")


@dataclass(frozen=True)
class CodeDifference:
    """How code now differs from code then."""

    same: bool  # package and configuration files, byte for byte, whatever the commits
    commit_then: str | None
    commit_now: str | None
    patch_then: str | None  # sha256 of the uncommitted changes, if there were any
    patch_now: str | None
    # differing files of package and configuration, as far as git can tell
    files: list[str] = field(default_factory=list)
    # the current uncommitted changes of differing files; empty text if there are none any more
    changed: dict[str, str] = field(default_factory=dict)

    def in_words(self) -> str:
        """Return one line."""
        if self.same:
            return "oldrestore's code is the same"
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
    before, after = (patch_sections(patch_bytes(each).decode(errors="replace")) for each in (then, now))
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


def patch_bytes(provenance: Mapping[str, Any]) -> bytes:
    """Return the uncommitted changes that a run recorded, for ``git apply``; empty if it has none."""
    if provenance.get("patch_base64"):
        return base64.b64decode(provenance["patch_base64"])
    return (provenance.get("patch") or "").encode()


def patch_sections(patch: str) -> dict[str, str]:
    """Split a git patch by file."""
    by_file = {}
    for section in re.split(r"^(?=diff --git )", patch, flags=re.MULTILINE):
        header = re.match(r'diff --git "?a/.*? "?b/(.*?)"?\n', section)
        if header:
            by_file[header.group(1)] = section
    return by_file


def _changed_between(repository: Path, one: str, other: str) -> list[str]:
    try:
        done = _git(repository, "diff", "--name-only", one, other, "--", *PARTS)
    except UserError:
        return []
    # A commit that this clone does not have is an error.
    return [] if done.returncode else done.stdout.decode(errors="replace").splitlines()


def _short(value: str | None) -> str:
    return "none" if value is None else value[:10]


@contextmanager
def worktree_of(provenance: Mapping[str, Any], repository: Path | None) -> Iterator[Path]:
    """Check out the code of a run, by its provenance, in a temporary worktree of a clone, and yield its folder.

    Raises `UserError` if there is no clone, it lacks the commit, or the changes were left out or cannot be applied.
    """
    commit = provenance.get("commit")
    if repository is None:
        raise UserError("--worktree needs oldrestore to run from a git clone: git clone, then make install")
    if commit is None:
        raise UserError("the run recorded no commit, so that --worktree has nothing to check out: leave it out")
    if not is_commit(commit):
        raise UserError(f"the run recorded the commit {commit!r}, which is none: leave --worktree out")
    if provenance.get("patch_left_out"):
        raise UserError(
            f"the run's uncommitted changes were not recorded ({provenance['patch_left_out']}): leave --worktree out"
        )
    if _git(repository, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise UserError(f"commit {commit} is not in {repository}: git fetch it first")
    with tempfile.TemporaryDirectory(prefix="oldrestore-worktree-") as folder:
        place = Path(folder) / "code"
        added = _git(repository, "worktree", "add", "--detach", "--quiet", str(place), commit)
        if added.returncode:
            raise UserError(f"git makes no worktree at {commit}: {_said(added)}")
        try:
            patch = patch_bytes(provenance)
            if patch:
                applied = _git(place, "apply", "--whitespace=nowarn", "-", given=patch)
                if applied.returncode:
                    raise UserError(f"the run's uncommitted changes cannot be applied to {commit}: {_said(applied)}")
            yield place
        finally:
            _git(repository, "worktree", "remove", "--force", str(place))


def _git(where: Path, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess:
    command = ["git", "-C", str(where), *arguments]
    try:
        return subprocess.run(command, input=given, capture_output=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"git cannot be asked: {error}") from None


def _said(done: subprocess.CompletedProcess) -> str:
    return " ".join(done.stderr.decode(errors="replace").split()) or f"it ended with {done.returncode}"
