"""Checks values against annotations, in a configuration and in a call: a range is said once, in the signature."""

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
    """Refuse arguments that do not fit the annotations of a constructor, method or function; decorates it.

    A class whose constructor is generated (a dataclass) is decorated itself.

    Arguments reach the function as they were given: nothing is copied or converted. Defaults are not checked.

    Raises
    ------
    UserError
        When it is called, in the words in which a configuration would be refused, with the name of the class (of the
        function, where it is none) in the place of the setting's.
    """
    if inspect.isclass(function):
        function.__init__ = checked(function.__init__)
        return function
    signature = inspect.signature(function)

    @functools.cache
    def adapters() -> dict[str, TypeAdapter]:
        # At the first call: annotations may name what the module defines further down.
        hints = get_type_hints(function, include_extras=True)
        return {name: _adapter(hint) for name, hint in hints.items() if name != "return"}

    @functools.wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind_partial(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # which says what is wrong as Python says it
        owner = type(given["self"]) if "self" in given else function
        for name, value in given.items():
            if name in adapters():
                _validated(adapters()[name], _plain(value), f"{owner.__name__}.{name}")
        return function(*args, **kwargs)

    return checking


def check_value(value: Any, annotation: Any, path: str) -> Any:
    """Check one value against a type annotation; returns the value as that type.

    Raises
    ------
    UserError
        With the dotted name, what was given and what would be right.
    """
    return _validated(_adapter(annotation), value, path)


def _validated(adapter: TypeAdapter, value: Any, path: str) -> Any:
    try:
        validated = adapter.validate_python(value)
    except ValidationError as error:
        raise UserError(describe(error, path, value)) from None
    # pydantic reads "12" as 12 and true as 1; a configuration that says so was mistyped.
    if isinstance(value, str | bool) and type(validated) is not type(value):
        raise UserError(f"{path} must be a {type(validated).__name__}, not {shown(value)}")
    return validated


def _plain(value: Any) -> Any:
    """A number of NumPy's or a path as a configuration would write it."""
    if isinstance(value, np.generic):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _adapter(annotation: Any) -> TypeAdapter:
    make = functools.partial(TypeAdapter, annotation)
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
    """Tell a real place in the value from pydantic's names of union members (``float``, ``constrained-int``)."""
    return isinstance(part, int) or (
        part.isidentifier() and part not in {"float", "int", "str", "bool", "none", "list", "tuple", "dict"}
    )


def shown(value: Any) -> str:
    """Write a value as it would be typed: null and true, not None and True; an object by its class."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, PLAIN) else f"an instance of {type(value).__name__}"
