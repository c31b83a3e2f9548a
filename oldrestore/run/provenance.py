"""What a run's numbers depend on besides its configuration: code, packages, machine."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from oldrestore import __version__, parallel
from oldrestore.config.location import PACKAGE, configuration_root, repository_root
from oldrestore.kernels.choice import described
from oldrestore.runtime import recorded_environment

PATCH_LIMIT = 5_000_000  # bytes; beyond it the patch is left out and its size and hash are kept


def collect(seed: int, device: str, plugins: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Describe code, packages and machine as they are now, as JSON values; `plugins` as `used_by` does.

    ``processes`` gives rank, host, device and threads of each process of several. ``commit`` and ``dirty`` are None
    outside a clone; ``code_hash`` covers the package's Python files and the configuration either way.
    """
    return {
        "oldrestore": __version__,
        "code_hash": code_hash(),
        **git_state(repository_root()),
        "plugins": list(plugins),
        "python": sys.version.split()[0],
        "packages": packages(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "device": device,
        "kernels": described(),
        "environment": recorded_environment(),
        "processes": [{k: v for k, v in member.items() if k != "pid"} for member in parallel.members()],
        "seed": seed,
        "command": sys.argv,
    }


def code_hash() -> str:
    """Return the sha256 over names and bytes of the package's Python files and the configuration folders."""
    digest = hashlib.sha256()
    root = configuration_root()
    files = [(p.relative_to(PACKAGE), p) for p in PACKAGE.rglob("*.py")]
    for folder in ("conf", "experiments", "sweeps"):
        files += [(p.relative_to(root), p) for p in (root / folder).rglob("*.yaml")]
    for name, path in sorted(files, key=lambda item: item[0].as_posix()):
        digest.update(f"{name.as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def packages() -> dict[str, str]:
    """Return the version of every installed distribution."""
    versions = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))


def processor() -> str:
    """Return the name of the processor, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def git_state(root: Path | None) -> dict[str, Any]:
    """Return the commit, and what is not committed as a patch that ``git apply`` takes."""
    head = _git(root, "rev-parse", "--verify", "HEAD") if root is not None else None
    if head is None:
        return {"commit": None, "dirty": None}
    commit = head.decode().strip()
    patch = uncommitted_patch(root)
    if patch is None:
        return {"commit": commit, "dirty": None, "patch_left_out": "git could not compare the tree with its commit"}
    state: dict[str, Any] = {"commit": commit, "dirty": bool(patch)}
    if patch:
        state["patch_sha256"] = hashlib.sha256(patch).hexdigest()
        if len(patch) > PATCH_LIMIT:
            state |= {"patch": None, "patch_left_out": f"{len(patch)} bytes are more than {PATCH_LIMIT}"}
        else:
            try:
                state["patch"] = patch.decode()
            except UnicodeDecodeError:
                state["patch_base64"] = base64.b64encode(patch).decode()
    return state


def uncommitted_patch(root: Path) -> bytes | None:
    """Compare the working tree with its commit, untracked files included; None if git fails.

    Neither the user's index nor the repository's objects are touched: copies of both are in a temporary folder.
    """
    objects = _git(root, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    if objects is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        places = {
            "GIT_INDEX_FILE": str(Path(folder) / "index"),
            "GIT_OBJECT_DIRECTORY": str(Path(folder) / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.fsdecode(objects.rstrip(b"\n")),
        }
        (Path(folder) / "objects").mkdir()
        for step in (("read-tree", "HEAD"), ("add", "--all")):
            if _git(root, *step, **places) is None:
                return None
        return _git(root, "diff", "--cached", "--binary", "HEAD", **places)


def _git(root: Path, *arguments: str, **environment: str) -> bytes | None:
    """Return what a git command prints; None if it fails."""
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True, timeout=60, env=os.environ | environment).stdout
    except (OSError, subprocess.SubprocessError):
        return None
