"""Imports run one way, file by file: a module uses those of its own room and of the floors below, in no circle."""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter

import pytest

from oldrestore.records.source_code import SourceCode

# From the top down. A room may use what stands on a floor below its own, and nothing beside it.
FLOORS = (
    {"__main__"},
    {"cli"},
    {"commands", "api"},
    {"sweeps", "reproduction"},
    {"report", "studio"},
    {"comparison", "run", "photographs"},
    {"scoring", "catalogue"},
    {"engines"},
    {"tracking"},
    {"records"},
    {"evaluation", "training", "restoration"},
    {"models", "losses", "data"},
    {"config", "batch", "device", "narrator", "panels"},
    {"kernels"},
    {"color", "statistics", "parallel", "files", "plain", "tables", "runtime", "signals", "terminal"},
    {"errors"},
    {""},  # the package itself: its version
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Colour science and statistics know nothing of the rest, not even of its errors.
ALONE = {"color", "statistics"}

SOURCE_CODE = SourceCode()
MODULES = SOURCE_CODE.files


def room_of(module: str) -> str:
    """The folder or file directly in the package that a module belongs to; "" for the package itself."""
    return (*module.split("."), "")[1]


IMPORTS = {module: SOURCE_CODE.imports(module) for module in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_uses_its_own_room_and_the_floors_below(module):
    room = room_of(module)
    used = {other for other in IMPORTS[module] if room_of(other) != room}
    wrong = {other for other in used if room in ALONE or FLOOR_OF[room_of(other)] <= FLOOR_OF[room]}
    assert not wrong, f"{module} must not import {sorted(wrong)}"


def test_no_verb_imports_another():
    shared = {"oldrestore.commands", "oldrestore.commands.arguments"}
    verbs = {module for module in MODULES if room_of(module) == "commands"} - shared
    assert {verb: IMPORTS[verb] & verbs for verb in verbs if IMPORTS[verb] & verbs} == {}


def test_no_modules_import_one_another_in_a_circle():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_no_room_holds_more_than_a_fifth_of_the_code():
    lines = Counter()
    for module, path in MODULES.items():
        lines[room_of(module)] += len(path.read_text(encoding="utf-8").splitlines())
    room, most = lines.most_common(1)[0]
    assert most <= lines.total() / 5, (room, most, lines.total())


def test_the_package_can_be_imported_without_what_is_heavy():
    light = ["color", "cli", "panels", "records.listing", *(f"tracking.{m}" for m in ("tracker", "mlflow_sink", "ui"))]
    heavy = {"paddle", "mlflow", "visualdl", "pandas", "hydra", "omegaconf"}
    program = f"import sys, {', '.join(f'oldrestore.{name}' for name in light)}; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
