"""``judge=[efficientnet_lite0,squeezenet]``: the first is the protocol's judge, the others are evaluators beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from oldrestore.config.location import choices_of
from oldrestore.config.overrides import parse_overrides
from oldrestore.config.yaml_file import read_yaml
from oldrestore.errors import UserError

FURTHER = "oldrestore.evaluation.further_judge.FurtherJudge"


def with_judges(parsed: Sequence[Override]) -> list[Override]:
    """Replace a list of judges by overrides that Hydra knows; other overrides stay as they are.

    Everything that one judge leaves behind is as without the list. Each further judge becomes the evaluator
    ``evaluation.evaluators.NAME``.
    """
    replaced = []
    for override in parsed:
        value = override.value()
        is_list = override.key_or_group == "judge" and isinstance(value, list) and not override.is_sweep_override()
        replaced += parse_overrides(_spelled_out(value)) if is_list else [override]
    return replaced


def _spelled_out(names: list[object]) -> list[str]:
    files = choices_of("judge")
    wrong = [name for name in names if name not in files]
    if wrong or not names:
        what = f"there is no judge '{wrong[0]}'" if wrong else "judge=[] names no judge"
        raise UserError(f"{what}: choose one or several of {', '.join(files)}")
    twice = next((name for position, name in enumerate(names) if name in names[:position]), None)
    if twice is not None:
        raise UserError(f"the list of judges names {twice} twice")
    first, *further = names
    return [f"judge={first}", *(f"++evaluation.evaluators.{name}={_node(files[name])}" for name in further)]


def _node(file) -> str:
    """Write an evaluator's node in Hydra's grammar, on one line."""
    settings = OmegaConf.to_container(read_yaml(file))
    inner = ",".join(f"{name}:{json.dumps(value)}" for name, value in settings.items())
    return f"{{_target_:{FURTHER},judge:{{{inner}}},every:${{evaluation.every}}}}"
