"""Types and ranges of the settings that are not components: what YAML cannot check."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from oldrestore.config.signature import check_component, unknown_name
from oldrestore.config.values import describe, is_place, shown
from oldrestore.errors import UserError


def _has_target(node: dict[str, Any]) -> dict[str, Any]:
    if "_target_" not in node:
        raise ValueError("a choice of its group (it has no _target_)")
    return node


Component = Annotated[dict[str, Any], AfterValidator(_has_target)]
LONGEST_NAME = 200  # bytes of UTF-8; with an ending it must be a file's name
Count = Annotated[int, Field(ge=1, strict=True)]
CountOrNever = Annotated[int, Field(ge=0, strict=True)]


class Settings(BaseModel):
    """A part of the configuration with a fixed set of names."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())


class Trainer(Settings):
    """How long, how fast and where a run trains; the learner says how one step is made."""

    learner: Component
    max_iterations: Count
    batch_size: Count
    device: Annotated[str, Field(pattern=r"^(auto|cpu|gpu(:\d+)?)$")]
    deterministic: Annotated[bool, Field(strict=True)]
    workers: Annotated[int, Field(ge=0, le=256, strict=True)]
    cache_mib: CountOrNever
    log_every: Count
    evaluate_every: CountOrNever
    checkpoint_every: CountOrNever
    keep_every: CountOrNever
    monitor: Annotated[str, Field(min_length=1)]
    monitor_mode: Literal["min", "max"]
    # Runs of earlier versions do not have it.
    requeue: Annotated[bool, Field(strict=True)] = False
    processes: Annotated[int, Field(ge=1, le=4096, strict=True)] | None = None
    kernels: Literal["auto", "onednn", "paddle"] = "paddle"


class EvaluationCropsSettings(Settings):
    """How a photograph is cut to what colour is measured on, where the protocol says so."""

    size: Annotated[int, Field(ge=32, le=4096, strict=True)]
    fit: Literal["shorter_side", "squash"]
    filter: Literal["bicubic", "bilinear", "lanczos", "box"]


class Evaluation(Settings):
    """What a run is measured on, and how."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    # Runs of earlier versions do not have these.
    version: Count | None = None
    crops: EvaluationCropsSettings | None = None
    count: Count | None = None
    rebalancing: Literal["measured", "training", "published"] = "measured"
    prior_file: str | None = None
    size: Annotated[int, Field(ge=32, le=4096, multiple_of=8, strict=True)]
    fit: Literal["shorter_side", "squash"]
    batch_size: Count
    judged: Component | Literal["dataset"] | None
    judged_split: Literal["train", "val", "test"]
    every: Count
    judge_during_training: Annotated[bool, Field(strict=True)]
    color: Annotated[bool, Field(strict=True)]
    evaluators: dict[str, Component]
    samples: CountOrNever


class Optimizer(Settings):
    """What every optimizer has; the rest is its own and checked against its signature."""

    model_config = ConfigDict(extra="allow")

    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]


class Root(Settings):
    """Every run's configuration, whole."""

    experiment: str
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)]
    outputs: Annotated[str, Field(min_length=1)]
    run_id: str | None
    model: Component
    loss: Component
    dataset: Component
    inputs: Component
    optimizer: Optimizer
    schedule: Component
    judge: Component
    tracking: dict[str, Component]
    trainer: Trainer
    evaluation: Evaluation


def check_config(config: Mapping[str, Any]) -> None:
    """Check a composed configuration: every name, type and range, sections and components alike.

    Parameters
    ----------
    config : mapping
        Plain containers with every interpolation resolved.

    Raises
    ------
    UserError
        One sentence on the first setting that is wrong.
    """
    try:
        Root.model_validate(config)
    except ValidationError as error:
        raise UserError(_first_complaint(error)) from None
    check_name(config["experiment"], "experiment")
    if config["run_id"] is not None:
        check_name(config["run_id"], "run_id")
    _check_components(config, "")


def check_name(name: str, place: str) -> str:
    """Check a name that becomes a folder's and is typed in commands: letters and digits of any script, and a few signs.

    Raises
    ------
    UserError
        Naming the place.
    """
    kinds = [unicodedata.category(sign)[0] for sign in name]  # letters, marks on them, numbers
    if (
        not name
        or kinds[0] not in "LN"
        or any(k not in "LMN" and s not in "_-.'" for k, s in zip(kinds, name, strict=True))
    ):
        allowed = "letters, digits, '_', '-', '.' and apostrophes, and starts with a letter or digit"
        raise UserError(f"{place} may hold {allowed}: not {shown(name)}")
    if len(name.encode()) > LONGEST_NAME:
        raise UserError(f"{place} is too long for the name of a folder: shorten '{name[:40]}...'")
    return name


def _first_complaint(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in detail["loc"] if is_place(part))
    if detail["type"] == "extra_forbidden":
        *parents, name = [str(part) for part in detail["loc"]]
        sections = {"trainer": Trainer, "evaluation": Evaluation, "evaluation.crops": EvaluationCropsSettings}
        section = sections.get(".".join(parents), Root)
        return unknown_name(place, ".".join(parents), name, section.model_fields)
    if detail["type"] == "missing":
        return f"the configuration lacks {place}"
    if detail["type"] == "dict_type" and isinstance(detail["input"], str) and "." not in place:
        name = detail["input"]
        return (
            f"{place} cannot be set to '{name}': choose it by {place}={name} on the command line, or by "
            f"'override /{place}: {name}' in the defaults of a file"
        )
    if place == "outputs" and detail["type"] == "string_too_short":
        return "outputs is empty: name a file or folder"
    if detail["type"] == "string_pattern_mismatch" and place == "trainer.device":
        return f"trainer.device must be auto, cpu, gpu or gpu:NUMBER, not {shown(detail['input'])}"
    if detail["type"] == "string_pattern_mismatch":
        allowed = "letters, digits, '_', '-' and '.', and starts with a letter or digit"
        return f"{place} may hold {allowed}: not {shown(detail['input'])}"
    if place == "evaluation.judged":
        right = "a dataset (dataset@evaluation.judged=NAME), 'dataset' or null"
        return f"{place} must be {right}, not {shown(detail['input'])}"
    single = ValidationError.from_exception_data("config", [_as_line_error(detail)])
    return describe(single, place, detail["input"])


def _as_line_error(detail: Mapping[str, Any]) -> dict[str, Any]:
    # describe() names the place from the path it is given, so the error itself carries none.
    return {"type": detail["type"], "loc": (), "input": detail["input"], "ctx": detail.get("ctx", {})}


def _check_components(node: Any, path: str) -> None:
    if not isinstance(node, Mapping):
        return
    if "_target_" in node:
        check_component(node, path)
        return
    for name, value in node.items():
        _check_components(value, f"{path}.{name}" if path else str(name))
