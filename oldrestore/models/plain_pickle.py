"""Reads the data in a pickle without ever running what the pickle asks for.

Weight files of PyTorch and Paddle are pickles, and Python's own reader executes whatever they name. This
one is a small stack machine over the opcodes: it knows plain data (numbers, strings, bytes, tuples, lists,
dicts) and a table of names that the caller admits; anything else is refused by name before it exists.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from oldrestore.errors import UserError

Admitted = Mapping[tuple[str, str], Callable[..., Any]]
LARGEST_FILE = 8 * 2**30

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = frozenset(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"))
_STRINGS = frozenset(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"))
_BYTES = frozenset(("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"))
_LITERALS = _NUMBERS | _STRINGS | _BYTES
_EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_FIXED_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUT = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GET = frozenset(("GET", "BINGET", "LONG_BINGET"))
_MARK = object()


class RefusedPickleError(UserError):
    """A pickle asks for something that plain weights never need."""

    def __init__(self, source: str, request: str) -> None:
        super().__init__(
            f"{source} {request}, which weights do not need: the file was refused and nothing in it was run"
        )


class _Name:
    """A name that the pickle mentions: called only through the admitted table."""

    def __init__(self, module: str, name: str, make: Callable[..., Any]):
        self.module, self.name, self.make = module, name, make


def never_called(*_: Any) -> NoReturn:
    """Stand-in for a type that pickles of weights only pass along."""
    raise ValueError("a type is called directly")


def check_file(path: Path, kind: str) -> None:
    """Refuse a weights file that does not exist or is larger than any."""
    if not path.is_file():
        raise UserError(f"there is no weights file {path}: name a {kind}")
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"{path} has {path.stat().st_size:,} bytes, more than any weights file (8 GiB)")


def read_plain_pickle(
    stream: io.BytesIO,
    admitted: Admitted,
    source: str,
    load_persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle from the position of `stream`, and leave it right behind the pickle.

    Parameters
    ----------
    stream : io.BytesIO
        In memory on purpose: a declared length can then never allocate more than the file holds.
    admitted : mapping of (module, name) to callable
        The only names a pickle may mention, and the stand-in for each. The real objects are not touched.
    load_persistent : callable, optional
        Turns a persistent identifier (PyTorch's reference to a storage) into a value.

    Raises
    ------
    RefusedPickleError
        For a name or an opcode that is not admitted; nothing of the pickle has run.
    UserError
        For a damaged or truncated pickle.
    """
    try:
        return _run(stream, admitted, source, load_persistent)
    except UserError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"{source} is damaged or truncated: {error}") from error


def _run(stream: io.BytesIO, admitted: Admitted, source: str, load_persistent: Callable[[Any], Any] | None) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def pop_to_mark() -> list[Any]:
        position = len(stack) - 1
        while stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise ValueError("a mark is missing")
        items = stack[position + 1 :]
        del stack[position:]
        return items

    def look_up(module: str, name: str) -> _Name:
        make = admitted.get((module, name))
        if make is None:
            raise RefusedPickleError(source, f"asks for {module}.{name}")
        return _Name(module, name, make)

    for opcode, argument, _ in pickletools.genops(stream):
        op = opcode.name
        if op in ("PROTO", "FRAME"):
            continue
        if op in _LITERALS:
            stack.append(argument)
        elif op in _CONSTANTS:
            stack.append(_CONSTANTS[op])
        elif op in _EMPTY:
            stack.append(_EMPTY[op]())
        elif op == "MARK":
            stack.append(_MARK)
        elif op == "TUPLE":
            stack.append(tuple(pop_to_mark()))
        elif op in _FIXED_TUPLES:
            items = tuple(stack.pop() for _ in range(_FIXED_TUPLES[op]))
            stack.append(items[::-1])
        elif op in ("APPEND", "APPENDS"):
            items = [stack.pop()] if op == "APPEND" else pop_to_mark()
            _expect(stack[-1], list).extend(items)
        elif op in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if op == "SETITEM" else pop_to_mark()
            _expect(stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))
        elif op in _PUT:
            memo[int(argument)] = stack[-1]
        elif op == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif op in _GET:
            stack.append(memo[int(argument)])
        elif op == "GLOBAL":
            module, _, name = argument.partition(" ")
            stack.append(look_up(module, name))
        elif op == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(look_up(str(module), str(name)))
        elif op == "REDUCE":
            arguments, maker = _expect(stack.pop(), tuple), _expect(stack.pop(), _Name)
            stack.append(maker.make(*arguments))
        elif op == "BUILD":
            state, target = stack.pop(), stack[-1]
            # An OrderedDict's attributes (PyTorch's _metadata: layer versions) are not weights.
            if not isinstance(target, dict):
                target.set_state(state)
        elif op == "BINPERSID" and load_persistent is not None:
            stack.append(load_persistent(stack.pop()))
        elif op == "STOP":
            return stack.pop()
        else:
            raise RefusedPickleError(source, f"uses the pickle opcode {op}")
    raise ValueError("the pickle has no end")


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is expected where there is a {type(value).__name__}")
    return value
