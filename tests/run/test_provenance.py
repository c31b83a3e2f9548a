"""Provenance: the patch recreates a dirty tree, and the user's index stays as it was."""

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

from oldrestore.run import provenance


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q")
    (root / "kept.py").write_text("a = 1\n")
    (root / ".gitignore").write_text("ignored/\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def applied(patch: bytes, repository: Path, place: Path) -> Path:
    """Clone a repository and apply a patch to the clone."""
    git(place, "clone", "-q", str(repository), "copy")
    (place / "change.patch").write_bytes(patch)
    git(place / "copy", "apply", str(place / "change.patch"))
    return place / "copy"


def test_a_clean_clone_has_a_commit_and_no_patch(repository):
    state = provenance.git_state(repository)
    assert state == {"commit": git(repository, "rev-parse", "HEAD").strip(), "dirty": False}


def test_the_patch_holds_changes_and_untracked_files_and_applies(repository, tmp_path):
    (repository / "kept.py").write_text("a = 2\n")
    (repository / "new.py").write_text("b = 'ä'\n")
    (repository / "ignored").mkdir()
    (repository / "ignored" / "big.bin").write_bytes(b"\0" * 100)
    looks = (["status", "--short"], ["count-objects", "-v"])  # neither the index nor the objects are touched
    before = [git(repository, *look) for look in looks]
    state = provenance.git_state(repository)
    assert [git(repository, *look) for look in looks] == before
    assert state["dirty"] is True
    assert "big.bin" not in state["patch"]

    copy = applied(state["patch"].encode(), repository, tmp_path)
    assert (copy / "kept.py").read_text() == "a = 2\n"
    assert (copy / "new.py").read_text() == "b = 'ä'\n"


def test_a_patch_that_is_too_large_is_left_out_but_hashed(repository, monkeypatch):
    monkeypatch.setattr(provenance, "PATCH_LIMIT", 10)
    (repository / "kept.py").write_text("a = 2\n")
    state = provenance.git_state(repository)
    assert state["patch"] is None
    assert len(state["patch_sha256"]) == 64


def test_outside_a_clone_there_is_neither(tmp_path):
    assert provenance.git_state(None) == {"commit": None, "dirty": None}
    assert provenance.git_state(tmp_path) == {"commit": None, "dirty": None}


def test_the_code_hash_follows_the_code(monkeypatch, tmp_path):
    package = tmp_path / "oldrestore"
    package.mkdir()
    (package / "a.py").write_text("1\n")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    first = provenance.code_hash()
    (package / "a.py").write_text("2\n")
    assert provenance.code_hash() != first


def test_a_patch_that_is_no_utf8_comes_back_byte_for_byte(repository, tmp_path):
    (repository / "kept.py").write_bytes(b"# caf\xe9\n")
    state = provenance.git_state(repository)
    patch = base64.b64decode(state["patch_base64"])
    assert hashlib.sha256(patch).hexdigest() == state["patch_sha256"]
    assert (applied(patch, repository, tmp_path) / "kept.py").read_bytes() == b"# caf\xe9\n"


def test_a_tree_that_git_cannot_read_is_not_called_clean(repository):
    git(repository, "init", "-q", "nested")  # git refuses to add a repository without a commit
    state = provenance.git_state(repository)
    assert state["dirty"] is None
    assert "could not compare" in state["patch_left_out"]
