"""Types and ranges of the settings that are not components: what YAML cannot check."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from oldrestore.config.roles import LONGEST_DESIGN
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
    """How long, how fast and where a run trains; the learner computes one step."""

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
    # Runs of earlier versions do not have these.
    requeue: Annotated[bool, Field(strict=True)] = False
    log_gradients: Annotated[bool, Field(strict=True)] = False
    overfit_batches: Count | None = None
    processes: Annotated[int, Field(ge=1, le=4096, strict=True)] | None = None
    kernels: Literal["auto", "onednn", "paddle"] = "paddle"


class EvaluationCropsSettings(Settings):
    """How a photograph is cropped before colour is measured, if the protocol says so."""

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
    agreement: bool = False
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
    design: str | None = None  # runs of earlier versions do not have it
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
    """Check a composed configuration, in resolved plain containers: every name, type and range."""
    sections = {"": Root, "trainer": Trainer, "evaluation": Evaluation, "evaluation.crops": EvaluationCropsSettings}
    check_settings(config, sections)
    check_name(config["experiment"], "experiment")
    if config["run_id"] is not None:
        check_name(config["run_id"], "run_id")
    if (design := config.get("design")) is not None and (
        not design.strip() or len(design) > LONGEST_DESIGN or not design.isprintable()
    ):
        raise UserError(f"design is a name of at most {LONGEST_DESIGN} characters in one line: not {shown(design)}")


def check_settings(config: Mapping[str, Any], sections: Mapping[str, type[Settings]], prefix: str = "") -> None:
    """Check a mapping and its components; raises `UserError`, one sentence on the first setting that is wrong.

    `sections` has the models of the sections by dotted name; that of the whole has an empty name. `prefix` is the
    dotted name of the whole, for messages.
    """
    try:
        sections[""].model_validate(config)
    except ValidationError as error:
        raise UserError(_first_complaint(error, sections, prefix)) from None
    _check_components(config, prefix)


def check_name(name: str, place: str) -> str:
    """Check a name that becomes a folder's and is typed in commands: letters and digits of any script, a few signs."""
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


def _first_complaint(error: ValidationError, sections: Mapping[str, type[Settings]], prefix: str) -> str:
    detail = error.errors(include_url=False)[0]
    parts = [str(part) for part in detail["loc"] if is_place(part)]
    place = ".".join(filter(None, (prefix, *parts)))
    if detail["type"] == "extra_forbidden":
        *parents, name = parts
        section = sections.get(".".join(parents), sections[""])
        return unknown_name(place, ".".join(filter(None, (prefix, *parents))), name, section.model_fields)
    if detail["type"] == "missing":
        return f"the configuration lacks {place}"
    if detail["type"] == "dict_type" and isinstance(detail["input"], str) and "." not in place:
        name = detail["input"]
        in_file = f"'override /{place}: {name}' in the defaults of a file"
        return f"{place} cannot be set to '{name}': choose it by {place}={name} on the command line, or by {in_file}"
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
    # describe() takes the place from its own argument, so the error itself carries none.
    line = {"type": detail["type"], "loc": (), "input": detail["input"], "ctx": detail.get("ctx", {})}
    return describe(ValidationError.from_exception_data("config", [line]), place, detail["input"])


def _check_components(node: Any, path: str) -> None:
    if not isinstance(node, Mapping):
        return
    if "_target_" in node:
        check_component(node, path)
        return
    for name, value in node.items():
        _check_components(value, f"{path}.{name}" if path else str(name))
