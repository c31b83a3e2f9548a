"""Builds the code of a logged run: a git worktree at its commit, with its uncommitted changes applied."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.reproduction.code_state import is_commit, patch_bytes


@contextmanager
def worktree_of(provenance: Mapping[str, Any], repository: Path | None) -> Iterator[Path]:
    """Check out the code of a run, by its provenance, in a temporary worktree of a clone, and yield its folder.

    Raises
    ------
    UserError
        There is no clone, it lacks the commit, or the changes were left out or cannot be applied.
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
        made = _git(repository, "worktree", "add", "--detach", "--quiet", str(place), commit)
        if made.returncode:
            raise UserError(f"git makes no worktree at {commit}: {_said(made)}")
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
