"""Reads the YAML of a run folder, which may come from anyone: plain values only, and no aliases."""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 100


class LOADER(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """A safe loader, in C if it is there, that reads values as OmegaConf does: ``1e-3`` is a number, a date is text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a name that is given twice."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise yaml.YAMLError(f"line {node.start_mark.line + 1} begins a mapping that gives a name twice")
        return super().construct_mapping(node, deep)


# YAML 1.1 takes a number with an exponent for one only if it has a point and the exponent a sign.
LOADER.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
LOADER.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in LOADER.yaml_implicit_resolvers.items()
}


def load_run_yaml(text: str) -> Any:
    """Parse the text of a YAML file of a run; raises `yaml.YAMLError` on aliases and deep nesting too.

    Nine lines of aliases unfold into a thousand million values, and the C loader ends the whole process if lists are
    nested too deeply. A run writes neither.
    """
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} has an alias, which no run writes")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} nests more deeply than any run's settings")
    return yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader
