"""What each network of ``conf/model`` is: its size, its cost, what it predicts, which losses fit, and its source."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from paddle import nn
from paddle.nn.initializer import Constant, Initializer

from oldrestore import models
from oldrestore.config.build import build, locate
from oldrestore.config.compose import compose_config
from oldrestore.config.location import choices_of
from oldrestore.config.pairs import choices, predictions, readings
from oldrestore.data.cache import cache_directory
from oldrestore.engines.inference_export import CHANNELS, channels_of
from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.models.flops import count_flops
from oldrestore.models.tracing import what_paddle_said
from oldrestore.models.weights import parameter_count

SIDE = 256
# Figures that take a second for each network, and are cached.
KEPT = ("parameters", "gflops", "problem")


@dataclass(frozen=True)
class NetworkFacts:
    """A choice of ``conf/model`` as it is configured there."""

    name: str
    network: str  # its class
    parameters: int | None = None  # without the running statistics of batch norm
    gflops: float | None = None  # of a forward pass at 256 x 256; a multiplication with its addition is 2 operations
    reads: list[str] = field(default_factory=list)  # fields of a batch
    predicts: list[str] = field(default_factory=list)  # fields of a prediction
    losses: list[str] = field(default_factory=list)  # choices of conf/loss that fit
    source: str = ""  # the paper that its class cites
    problem: str | None = None  # why a figure is missing


def list_networks() -> Iterator[NetworkFacts]:
    """Describe every network; one that cannot be built here is listed with the reason."""
    losses = choices("loss")
    for path in choices_of("model").values():
        yield _describe(path, losses)


def _describe(path: Path, losses: Mapping[str, Mapping[str, Any]]) -> NetworkFacts:
    name = path.stem
    try:
        node = compose_config([f"model={name}"]).model
        target = locate(node["_target_"])
        predicts = predictions(node)
    except UserError as error:
        return NetworkFacts(name, "", problem=str(error))
    common = {
        "name": name,
        "network": target.__name__,
        "reads": list(target.reads),
        "predicts": sorted(predicts),
        "losses": [loss for loss, given in losses.items() if readings(given) <= predicts],
        "source": cited_paper(target),
    }
    kept = cache_directory() / "networks" / f"{name}-{fingerprint(path)[:16]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        figures = json.loads(kept.read_text(encoding="utf-8"))
        return NetworkFacts(**common, **{name: figures[name] for name in KEPT})
    try:
        with _without_initial_values():
            network = build(node)
    except Exception as error:  # noqa: BLE001 (whatever the reason, the listing continues)
        return NetworkFacts(**common, problem=f"it cannot be built here: {error}")
    network.eval()
    parameters = parameter_count(network)
    gflops, problem = _gflops(network)
    facts = NetworkFacts(**common, parameters=parameters, gflops=gflops, problem=problem)
    write_atomically(kept, json.dumps({name: getattr(facts, name) for name in KEPT}))
    return facts


def fingerprint(path: Path) -> str:
    """Hash what a network's figures depend on: its configuration, the networks' code, the installed packages."""
    return hashlib.sha256(path.read_bytes() + _code_and_packages()).hexdigest()


@cache
def _code_and_packages() -> bytes:
    digest = hashlib.sha256()
    for source in sorted(Path(models.__path__[0]).glob("*.py")):
        digest.update(source.read_bytes())
    for name, version in sorted((d.name or "", d.version or "") for d in importlib.metadata.distributions()):
        digest.update(f"{name}=={version}\n".encode())
    return digest.digest()


def _gflops(network: nn.Layer) -> tuple[float | None, str | None]:
    # Fields that only training has (positions) are optional.
    inputs = [name for name in network.reads if name.rpartition("_")[2] in CHANNELS]
    if not inputs:
        return None, "its cost is not counted: it reads no picture"
    try:
        return count_flops(network, [(1, channels_of(name), SIDE, SIDE) for name in inputs]) / 1e9, None
    except Exception as error:  # noqa: BLE001 (Paddle's tracing may raise anything; the listing continues)
        return None, f"its cost is not counted: {what_paddle_said(error)}"


@contextmanager
def _without_initial_values() -> Iterator[None]:
    """Fill new weights with zeros: random ones take seconds for each network, and only shapes matter here."""
    zeros, original = Constant(0.0), Initializer.__call__
    Initializer.__call__ = lambda self, parameter, block=None: zeros.forward(parameter, block)
    try:
        yield
    finally:
        Initializer.__call__ = original


def own_docstring(target: type) -> str:
    """Return a class's docstring without its indentation; empty if it has only an inherited one."""
    return inspect.cleandoc(target.__dict__.get("__doc__") or "")


def cited_paper(target: type) -> str:
    """Return the first reference of a class's own docstring, on one line; empty if it has none."""
    _, _, references = own_docstring(target).partition("\nReferences\n----------\n")
    return " ".join(references.partition("\n\n")[0].split())
