"""The one seam through which a configuration becomes objects: it admits only known targets."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from oldrestore.config.aliases import current_target, with_current_targets
from oldrestore.config.plugins import OWN, admitted
from oldrestore.errors import UserError

# A logged configuration is untrusted input, so a target is admitted by the module that *defines* it, never by
# its spelling: oldrestore.data.sources.photos.os.system is spelled like ours and is not. Plugins, which the user names,
# add theirs.
ADMITTED_MODULES = (
    "oldrestore.models",
    "oldrestore.losses",
    "oldrestore.data",
    "oldrestore.training",
    "oldrestore.evaluation",
    "oldrestore.restoration",
    "oldrestore.tracking",
    "paddle.nn",
    "paddle.optimizer",
    "paddle.regularizer",
)
# A constructor builds its class; a function may do anything (run a program, write a file), so each is named.
ADMITTED_FUNCTIONS = (
    "oldrestore.models.features.pretrained_features",
    "oldrestore.restoration.with_network.split_with_network",
)
# What Hydra reads besides _target_. _args_ would slip past the checks by name, so it is not among them.
DIRECTIVES = ("_target_", "_partial_", "_recursive_", "_convert_")


def locate(target: str) -> Any:
    """Return the class or function that a ``_target_`` names, also by a path that it had before (`config.aliases`).

    `UserError` if it is not a public class of `ADMITTED_MODULES` or of a plugin that the user named, nor one of
    `ADMITTED_FUNCTIONS`.
    """
    plugins = [plugin.name for plugin in admitted()]
    root = target.partition(".")[0] if isinstance(target, str) else ""
    if root == target or root not in (*OWN, *plugins):
        raise UserError(
            f"_target_ '{target}' is not admitted: only oldrestore. and paddle. targets are built, and those of "
            "plugins that you name with --plugins"
        )
    if any(part.startswith("_") for part in target.split(".")):
        raise UserError(f"_target_ '{target}' is not admitted: it is private")
    target = current_target(target)
    module_name, _, name = target.rpartition(".")
    admitted_modules = (*ADMITTED_MODULES, *plugins)
    if not _is_within(module_name, admitted_modules):
        raise UserError(f"_target_ '{target}' is not admitted: targets live in {', '.join(ADMITTED_MODULES)}")
    try:
        module = importlib.import_module(module_name) if root in OWN else import_of_plugin(module_name)
        found = getattr(module, name)
    except (ImportError, AttributeError) as error:
        missing = getattr(error, "name", None) or ""
        if isinstance(error, ImportError) and not module_name.startswith(missing):
            raise UserError(f"_target_ '{target}' cannot be imported: {error}") from None
        raise UserError(f"_target_ '{target}' does not exist") from None
    defined_in = getattr(found, "__module__", None) or ""
    if not (inspect.isclass(found) or target in ADMITTED_FUNCTIONS) or not _is_within(defined_in, admitted_modules):
        raise UserError(f"_target_ '{target}' is not a class that configurations build")
    return found


def import_of_plugin(module: str) -> Any:
    """Import a module of a plugin; whatever it raises is one sentence, apart from a module that does not exist."""
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:  # it is foreign code
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join(str(error).split()) or "without a message"
        where = f"{place.filename} line {place.lineno}"
        if isinstance(error, SyntaxError):
            words, where = error.msg, f"{error.filename} line {error.lineno}"
        raise UserError(
            f"the plugin {module.partition('.')[0]} cannot be imported: {type(error).__name__}: {words} ({where})"
        ) from None


def _is_within(module: str, roots: Iterable[str]) -> bool:
    return any(module == root or module.startswith(root + ".") for root in roots)


def check_targets(node: Any) -> None:
    """Refuse a configuration that names, at any depth, a target which `build` would not admit."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            locate(node["_target_"])
            if "_args_" in node:
                raise UserError(f"_args_ of '{node['_target_']}' is not admitted: name every argument")
        for value in node.values():
            check_targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            check_targets(value)


def refuse_interpolations(node: Any, path: str = "") -> None:
    """Refuse plain containers with an interpolation: the `UserError` names the setting.

    One that was escaped, or that another one gave, would be resolved later, after the checks; and ``${oc.create:...}``
    makes a whole component of a text.
    """
    if isinstance(node, str):
        if "${" in node:
            raise UserError(f"{path or 'a setting'} holds an interpolation that is not resolved: write its value out")
    elif isinstance(node, Mapping):
        for name, value in node.items():
            refuse_interpolations(str(name), path)
            refuse_interpolations(value, f"{path}.{name}" if path else str(name))
    elif isinstance(node, list | tuple):
        for number, value in enumerate(node):
            refuse_interpolations(value, f"{path}.{number}" if path else str(number))


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that led to it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def build(node: DictConfig | Mapping[str, Any], **arguments: Any) -> Any:
    """Build the object that a configuration node describes by its ``_target_``; nested nodes are built first.

    `arguments` are those that only the running program has (parameters to optimise, a prior). `UserError` if a target
    is not admitted, an interpolation is left, or arguments are refused.
    """
    # What is checked is what is built: plain containers, resolved once.
    if isinstance(node, DictConfig):
        node = OmegaConf.to_container(node, resolve=True)
    refuse_interpolations(node)
    node = with_current_targets(node)
    check_targets(node)
    # Hydra would take an argument that is a dataclass for configuration, so arguments never pass through it.
    later = {"_partial_": True} if arguments else {}
    try:
        built = instantiate(node, _convert_="all", **later)
    except InstantiationException as error:
        for cause in causes_of(error):
            if isinstance(cause, UserError):
                raise cause from None
        if isinstance(error.__cause__, TypeError):
            # The signature check lets pass what only calling shows: an argument that is missing.
            raise UserError(f"'{node['_target_']}' cannot be made: {error.__cause__}") from None
        raise
    return built(**arguments) if arguments else built
