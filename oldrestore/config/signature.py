"""Checks a configuration node against the signature of its target: the constructor is the schema."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from oldrestore.config.build import DIRECTIVES, locate
from oldrestore.config.values import adapter, validated
from oldrestore.errors import UserError


def check_component(node: Mapping[str, Any], path: str) -> None:
    """Check names, types and ranges of a component's arguments without building it.

    Ranges are declared in the signature: ``lambda_: Annotated[float, Field(ge=0, le=1)]``. A component may check
    arguments together in a static method ``check_together(node, path)``. `node` has plain containers, resolved; `path`
    is its dotted name, for messages (``loss.rebalance``).
    """
    target = locate(node["_target_"])
    signature = _signature(target)
    hints = _type_hints(target)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    for name, value in node.items():
        if name in DIRECTIVES:
            continue
        argument = f"{path}.{name}"
        if name not in signature.parameters:
            if takes_any:
                continue
            raise UserError(unknown_name(argument, path, name, signature.parameters))
        if isinstance(value, Mapping) and "_target_" in value:
            check_component(value, argument)
        else:
            if name in hints:
                validated(_adapter_of(target, name), value, argument)
            _check_nested(value, argument)
    missing = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind is inspect.Parameter.KEYWORD_ONLY
        and name not in node
        and not node.get("_partial_")
    ]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}, which '{node['_target_']}' needs")
    if hasattr(target, "check_together"):
        target.check_together(node, path)


def _check_nested(value: Any, path: str) -> None:
    """Check components deeper in an argument, such as the losses of a sum."""
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        if isinstance(inner, Mapping) and "_target_" in inner:
            check_component(inner, f"{path}.{name}")
        else:
            _check_nested(inner, f"{path}.{name}")


@cache
def _signature(target: Any) -> inspect.Signature:
    return inspect.signature(target)


@cache
def _adapter_of(target: Any, argument: str) -> TypeAdapter:
    return adapter(_type_hints(target)[argument])


@cache
def _type_hints(target: Any) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    except NameError as error:
        # Some of Paddle's annotations exist for type checkers only; argument names are checked all the same.
        if target.__module__.startswith("paddle."):
            return {}
        raise UserError(f"the annotations of '{target.__module__}.{target.__name__}' cannot be read: {error}") from None


def unknown_name(argument: str, path: str, name: str, known: Iterable[str]) -> str:
    """Say that a setting does not exist, with the nearest name or the list of names that do."""
    known = [k for k in known if k not in ("self", "args", "kwargs")]
    hint = nearest(name, known, f"{path} has" if path else "the settings are")
    return f"there is no setting '{argument}': {hint}"


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Ask for the name that is meant if one is near; otherwise, list the names that exist."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"{otherwise} {', '.join(known) or 'none'}"
