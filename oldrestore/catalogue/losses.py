"""What each loss of ``conf/loss`` is: what it reads, what it needs, which models fit, and its source."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore import tables
from oldrestore.catalogue.networks import cited_paper, own_docstring
from oldrestore.config.build import build, locate
from oldrestore.config.location import choices_of
from oldrestore.config.pairs import choices, predictions, readings
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss

# Authors and a year: "Zhang, Isola, Efros 2016", "Kang et al. (2023)", "Berger, *Statistical Decision Theory*, 1985".
_NAME = r"(?!(?:After|As|By|In|See|Since|The)\b)[A-Z][\w'-]+(?: [A-Z][\w'-]+)?"
_CITATION = re.compile(rf"({_NAME}(?:(?:, | and |, and ){_NAME})*(?: et al\.)?)(?:, \*[^*]+\*)?,? \(?((?:19|20)\d\d)")
COLUMNS = ("loss", "what it is", "reads", "needs", "models that fit", "source")


@dataclass(frozen=True)
class LossFacts:
    """A choice of ``conf/loss`` as it is configured there."""

    name: str
    loss: str  # its class; of a sum, the classes of its terms
    does: str = ""  # the first sentence of its file
    reads: list[str] = field(default_factory=list)  # fields of a prediction
    needs: list[str] = field(default_factory=list)  # what a run gives it before training, such as the colour prior
    models: list[str] = field(default_factory=list)  # choices of conf/model that fit
    source: str = ""  # papers that its file or its class cites
    problem: str | None = None  # why it cannot be built: what the user has to set


def list_losses() -> Iterator[LossFacts]:
    """Describe every loss; one that cannot be built is listed with the reason."""
    predicted = {name: predictions(node) for name, node in choices("model").items()}
    for name, node in choices("loss").items():
        yield _describe(name, node, predicted)


def _describe(name: str, node: Mapping[str, Any], predicted: Mapping[str, frozenset[str]]) -> LossFacts:
    heading = _heading(choices_of("loss")[name])
    losses, reads = list(dict.fromkeys(_losses(node))), readings(node)
    needs, problem = frozenset(), None
    try:
        needs = build(node).needs
    except UserError as error:
        problem = str(error)
    return LossFacts(
        name=name,
        loss=" + ".join(loss.__name__ for loss in losses),
        does=re.split(r"(?<!et al)\. ", heading, maxsplit=1)[0].rstrip(".:") + "." if heading else "",
        reads=sorted(reads),
        needs=sorted(needs),
        models=[model for model, gives in predicted.items() if reads <= gives],
        source=source_of(heading, losses),
        problem=problem,
    )


def source_of(heading: str, losses: list[type]) -> str:
    """Papers that a file's heading cites; otherwise the references and citations in its classes' own docstrings."""
    cited = _citations(heading)
    for loss in losses if not cited else ():
        reference = cited_paper(loss)
        cited += [_shortened(reference)] if reference else _citations(own_docstring(loss))
    return "; ".join(dict.fromkeys(cited))


def markdown_table(facts: list[LossFacts]) -> str:
    """Write the table of `docs/losses.md`."""
    rows = []
    for fact in facts:
        does = fact.does.rstrip(".").replace("|", "\\|")
        lists = (", ".join(names) for names in (fact.reads, fact.needs, fact.models))
        rows.append((f"`{fact.name}`", does, *lists, fact.source.replace("|", "\\|")))
    return tables.markdown_table(COLUMNS, rows) + "\n"


def _losses(node: Any) -> Iterator[type]:
    """Yield the class of a loss node, or those of the terms of a sum."""
    if not isinstance(node, Mapping):
        return
    target = locate(node["_target_"]) if "_target_" in node else None
    is_loss = inspect.isclass(target) and issubclass(target, Loss)
    if is_loss and "terms" not in node:
        yield target
        return
    for value in node.values():
        yield from _losses(value)


def _heading(path: Path) -> str:
    """Return the comment at the top of a file, up to a command, as one paragraph."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") or line.startswith("#  "):
            break
        lines.append(line.lstrip("#").strip())
    return " ".join(lines)


def _shortened(reference: str) -> str:
    """Cut a reference after its year; without a year, before a colon."""
    up_to_year = re.match(r".*?\b(?:19|20)\d\d", reference)
    return up_to_year.group() if up_to_year else reference.partition(":")[0].rstrip(".")


def _citations(text: str) -> list[str]:
    joined = " ".join(text.split())
    return list(dict.fromkeys(f"{authors} {year}" for authors, year in _CITATION.findall(joined)))
