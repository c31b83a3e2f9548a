"""Checks values against annotations, in a configuration and in a call: a range is stated once, in the signature."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, get_type_hints

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from oldrestore.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")
PLAIN = (str, int, float, list, tuple, dict)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a constructor, method or function so that arguments outside its annotations raise `UserError`.

    The message is that of a configuration, with the name of the class or function. A class whose constructor is
    generated (a dataclass) is decorated itself. Arguments are neither copied nor converted; defaults are not checked.
    """
    if inspect.isclass(function):
        function.__init__ = checked(function.__init__)
        return function
    signature = inspect.signature(function)

    @functools.cache
    def adapters() -> dict[str, TypeAdapter]:
        # At the first call: annotations may name what the module defines later.
        hints = get_type_hints(function, include_extras=True)
        return {name: adapter(hint) for name, hint in hints.items() if name != "return"}

    @functools.wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            bound = signature.bind_partial(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # which raises Python's own error
        owner = type(bound["self"]) if "self" in bound else function
        for name, value in bound.items():
            if name in adapters():
                validated(adapters()[name], _plain(value), f"{owner.__name__}.{name}")
        return function(*args, **kwargs)

    return checking


def check_value(value: Any, annotation: Any, path: str) -> Any:
    """Return a value as the type of an annotation, or raise `UserError` with its dotted name and what is right."""
    return validated(adapter(annotation), value, path)


def validated(adapter: TypeAdapter, value: Any, path: str) -> Any:
    """Return a value as an adapter reads it, as `check_value` does."""
    try:
        read = adapter.validate_python(value)
    except ValidationError as error:
        raise UserError(describe(error, path, value)) from None
    # pydantic reads "12" as 12 and true as 1; in a configuration, that is a mistake.
    if isinstance(value, str | bool) and type(read) is not type(value):
        raise UserError(f"{path} must be a {type(read).__name__}, not {shown(value)}")
    return read


def _plain(value: Any) -> Any:
    """Convert a NumPy number or a path to what a configuration would hold."""
    if isinstance(value, np.generic):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def adapter(annotation: Any) -> TypeAdapter:
    """Return what checks values against an annotation; making one takes longer than a check."""
    make = functools.partial(TypeAdapter, annotation)
    try:
        return make(config=ConfigDict(arbitrary_types_allowed=True))
    except Exception as error:
        # pydantic refuses a config for types that carry their own (its models, dataclasses).
        if type(error).__name__ != "PydanticUserError":
            raise
        return make()


def describe(error: ValidationError, path: str, value: Any) -> str:
    """Say in one sentence what pydantic refused and what would be right."""
    # For a union, pydantic reports an error for each member: join what they would accept.
    wanted = []
    inner = ""
    for detail in error.errors(include_url=False):
        if detail["type"] == "missing":
            *places, name = (str(part) for part in detail["loc"])
            return f"{'.'.join((path, *places))} lacks {name}"
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
    """Say whether a part is a place in the value, not pydantic's name of a union member (``constrained-int``)."""
    return isinstance(part, int) or (
        part.isidentifier() and part not in {"float", "int", "str", "bool", "none", "list", "tuple", "dict"}
    )


def shown(value: Any) -> str:
    """Write a value as it would be typed (null and true, not None and True); an object by its class."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, PLAIN) else f"an instance of {type(value).__name__}"
