"""``oldrestore new``: writes a loss, a metric or a dataset of your own from a template."""

from __future__ import annotations

import keyword
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from string import Template

from oldrestore.commands.arguments import parser, path
from oldrestore.config.location import choices_of
from oldrestore.config.plugins import plugin_in
from oldrestore.errors import UserError
from oldrestore.files import write_atomically

TEMPLATES = Path(__file__).parent / "templates"
# The setting that chooses each.
CHOSEN_BY = {
    "loss": "loss={name}",
    "metric": "+metric@evaluation.evaluators.{name}={name}",
    "dataset": "dataset={name}",
}
QUICK = "model.width=0.25 trainer.max_iterations=20"
EPILOG = """\
examples:
  oldrestore new loss charbonnier -o my_losses      my_losses/charbonnier.py, its choice and its test
  oldrestore new metric near_share                  my_plugins/near_share.py
  oldrestore new dataset album                      my_plugins/album.py

What is written runs as it stands, for you to change. Nothing is overwritten. More: docs/plugins.md
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("new", "Writes a loss, a metric or a dataset with its choice and its test, in a plugin.", EPILOG)
    options.add_argument("kind", choices=CHOSEN_BY, help="what to write")
    options.add_argument("name", metavar="NAME", help="of the file and the choice: small letters, digits and '_'")
    folder = "folder of the plugin, created if missing (default: my_plugins)"
    options.add_argument("-o", "--output", type=path, metavar="FOLDER", default=Path("my_plugins"), help=folder)
    chosen = options.parse_args(arguments)
    kind, name = chosen.kind, chosen.name
    check_name(name, kind)
    plugin = plugin_in(chosen.output.absolute())
    files = contents(kind, name, plugin.name)
    existing = [file for file in files if (chosen.output / file).exists()]
    if existing:
        raise UserError(f"'{chosen.output / existing[0]}' exists already: choose another name")
    if not (chosen.output / "__init__.py").exists():
        files = {"__init__.py": f'"""{plugin.name}: a plugin of oldrestore."""\n\n__version__ = "0.1"\n', **files}
    for file, content in files.items():
        (chosen.output / file).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(chosen.output / file, content)
        print(chosen.output / file)
    typed = shlex.quote(str(chosen.output))
    print(f"test  pytest {typed}/test_{name}.py")
    print(f"try   oldrestore train --plugins {typed} {CHOSEN_BY[kind].format(name=name)} {QUICK}")
    return 0


def check_name(name: str, kind: str) -> None:
    """Refuse a name that cannot be a module's and a choice's, or is taken."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(f"a {kind} cannot be named '{name}': use small letters, digits and '_', such as my_{kind}")
    if name.startswith("test_") or name in ("conf", "conftest"):
        raise UserError(f"a {kind} cannot be named '{name}', which has another meaning in a plugin: use my_{kind}")
    if name in choices_of(kind):
        raise UserError(f"there is a {kind} '{name}' in oldrestore already: choose another name")


def contents(kind: str, name: str, plugin: str) -> dict[str, str]:
    """Return what is written: the text of each file, by its path in the plugin."""
    values = {"name": name, "class_name": "".join(map(str.capitalize, name.split("_"))), "plugin": plugin}
    files = {"py": f"{name}.py", "yaml": f"conf/{kind}/{name}.yaml", "test": f"test_{name}.py"}
    texts = {file: (TEMPLATES / f"{kind}.{part}.txt").read_text(encoding="utf-8") for part, file in files.items()}
    return {file: Template(text).substitute(values) for file, text in texts.items()}
