"""Checks a configuration node against the signature of what it names: the constructor is the schema."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from oldrestore.config.build import DIRECTIVES, locate
from oldrestore.errors import UserError


def check_component(node: Mapping[str, Any], path: str) -> None:
    """Check names, types and ranges of a component's arguments without building it.

    Ranges are declared where the argument is: ``lambda_: Annotated[float, Field(ge=0, le=1)]``. What has to fit
    together is checked by a static method ``check_together(node, path)`` of the component, where it has one.

    Parameters
    ----------
    node : mapping
        Plain containers, resolved, with a ``_target_``.
    path : str
        Dotted name of the node, for messages (``loss.rebalance``).

    Raises
    ------
    UserError
        On the first argument that is unknown, of another type or out of range.
    """
    target = locate(node["_target_"])
    signature = inspect.signature(target)
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
                check_value(value, hints[name], argument)
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
    """Check the components that stand deeper in an argument, as the losses of a sum do."""
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        if isinstance(inner, Mapping) and "_target_" in inner:
            check_component(inner, f"{path}.{name}")
        else:
            _check_nested(inner, f"{path}.{name}")


def _type_hints(target: Any) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    except NameError:
        # Some of Paddle's annotations exist for type checkers only; its argument names are checked all the same.
        if target.__module__.startswith("oldrestore."):
            raise
        return {}


def check_value(value: Any, annotation: Any, path: str) -> Any:
    """Check one value against a type annotation; returns the value as that type.

    Raises
    ------
    UserError
        With the dotted name, what was given and what would be right.
    """
    try:
        checked = _adapter(annotation).validate_python(value)
    except ValidationError as error:
        raise UserError(describe(error, path, value)) from None
    # pydantic reads "12" as 12 and true as 1; a configuration that says so was mistyped.
    if isinstance(value, str | bool) and type(checked) is not type(value):
        raise UserError(f"{path} must be a {type(checked).__name__}, not {shown(value)}")
    return checked


def _adapter(annotation: Any) -> TypeAdapter:
    make = partial(TypeAdapter, annotation)
    try:
        return make(config=ConfigDict(arbitrary_types_allowed=True))
    except Exception as error:
        # pydantic refuses a config for types that carry their own (its models, dataclasses).
        if type(error).__name__ != "PydanticUserError":
            raise
        return make()


def describe(error: ValidationError, path: str, value: Any) -> str:
    """Turn pydantic's first complaint into one sentence that names the setting and what would be right."""
    # With a union, pydantic reports a failure for each member: join what each would have accepted.
    wanted = []
    inner = ""
    for detail in error.errors(include_url=False):
        where = ".".join(str(part) for part in detail["loc"] if isinstance(part, int | str) and is_place(part))
        inner = inner or where
        message = detail["msg"][0].lower() + detail["msg"][1:]
        message = message.removeprefix("input should be ").removeprefix("value error, ")
        message = message.replace("a valid string", "text")
        if detail["type"] != "none_required" and message not in wanted:
            wanted.append(message)
        value = detail["input"] if where else value
    name = f"{path}.{inner}" if inner else path
    rule = f"must be {' or '.join(wanted)}".replace("must be string should have", "must have")
    quoted = f": write '{value}', in quotes" if wanted[:1] == ["text"] and isinstance(value, int | float) else ""
    return f"{name} {rule}, not {shown(value)}{quoted}"


def is_place(part: int | str) -> bool:
    """Tell a real place in the value from pydantic's names of union members (``float``, ``constrained-int``)."""
    return isinstance(part, int) or (
        part.isidentifier() and part not in {"float", "int", "str", "bool", "none", "list", "tuple", "dict"}
    )


def shown(value: Any) -> str:
    """Write a value as it would be typed: null and true, not None and True."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def unknown_name(argument: str, path: str, name: str, known: Iterable[str]) -> str:
    """Say that a setting does not exist, with the nearest name or the list of names that do."""
    known = [k for k in known if k not in ("self", "args", "kwargs")]
    near = difflib.get_close_matches(name, known, n=1)
    inside = f"{path} has" if path else "the settings are"
    hint = f"did you mean '{near[0]}'?" if near else f"{inside} {', '.join(known)}"
    return f"there is no setting '{argument}': {hint}"
