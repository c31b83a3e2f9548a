"""Logs a trained model to MLflow as a pyfunc of its run, from a Python file and artifacts."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.files import sha256_of
from oldrestore.tracking.mlflow_store import Store
from oldrestore.tracking.protocol import ModelPackage, RunInfo

MODELS = "models:/"


def fingerprint(package: ModelPackage) -> str:
    """sha256 over the files of a model, to tell whether it has been logged before."""
    digest = hashlib.sha256()
    for path in (package.python_file, *(package.artifacts[name] for name in sorted(package.artifacts))):
        digest.update(bytes.fromhex(sha256_of(Path(path))))
    return digest.hexdigest()


def holds_model(store: Store, uri: str) -> bool:
    """Say whether the store has a logged model and its files."""
    return uri.startswith(MODELS) and bool(store.find("list_logged_model_artifacts", uri.removeprefix(MODELS)))


def log_pyfunc(store: Store, run_id: str, run: RunInfo, package: ModelPackage) -> str:
    """Log a model to the MLflow run `run_id` and return its URI, without setting anything global in MLflow."""
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    client = store.client
    logged = store.patiently(
        client.create_logged_model,
        store.experiment_id,
        name="model",
        source_run_id=run_id,
        tags={"run_id": run.run_id, "experiment": run.experiment},
        model_type="colorizer",
    )
    with _without_advice(), tempfile.TemporaryDirectory(prefix="oldrestore-model-") as folder:
        local = Path(folder) / "model"
        mlflow.pyfunc.save_model(
            path=str(local),
            python_model=str(package.python_file),
            artifacts={name: Path(path).absolute().as_uri() for name, path in package.artifacts.items()} or None,
            signature=colorizer_signature(),
            pip_requirements=list(package.pip_requirements),
            mlflow_model=Model(logged.artifact_location, run_id, model_uuid=logged.model_id, model_id=logged.model_id),
        )
        store.patiently(client.log_model_artifacts, logged.model_id, str(local))
    store.patiently(client.finalize_logged_model, logged.model_id, "READY")
    store.patiently(client.log_outputs, run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return f"{MODELS}{logged.model_id}"


def colorizer_signature() -> Any:
    """Return the signature of every logged model: `L`, float32 (N, H, W, 1) in 0..100, to sRGB uint8 (N, H, W, 3)."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1, -1, 1), "L")]),
        outputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))]),
    )


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence MLflow's advice on type hints and examples; it sets its own warning filters, so ours would have no
    effect.
    """
    import mlflow.pyfunc
    from mlflow.pyfunc.utils import data_validation

    modules = [m for m in (mlflow.pyfunc, data_validation) if hasattr(m, "color_warning")]
    originals = [module.color_warning for module in modules]
    try:
        for module in modules:
            module.color_warning = lambda *words, **named: None
        yield
    finally:
        for module, function in zip(modules, originals, strict=True):
            module.color_warning = function
