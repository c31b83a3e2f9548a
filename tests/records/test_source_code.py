"""A job's code is what it really imports: which edits of the package void which jobs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from oldrestore.config.plugins import VARIABLE
from oldrestore.errors import UserError
from oldrestore.records.source_code import SourceCode
from oldrestore.sweeps.plan import compose_job
from tests.plugins import write_plugin
from tests.throwaway import Throwaway

JOBS = {"classes": ["loss=focal", "model=eccv16"], "ab": ["loss=l1", "model=siggraph17"]}
BOTH = set(JOBS)
CODE, COMMENT = "\nADDED = 1\n", "\n# What was not said before.\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Throwaway:
    return Throwaway(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def read(copy) -> Callable[[], dict[str, dict]]:
    """What each job needs of the copy as it is now."""
    configs = {name: compose_job(overrides)[0] for name, overrides in JOBS.items()}

    def now() -> dict[str, dict]:
        code = SourceCode(copy.folder / "oldrestore")
        return {name: code.needed(config) for name, config in configs.items()}

    return now


@pytest.fixture(scope="module")
def before(read) -> dict[str, dict]:
    return read()


@pytest.mark.parametrize(
    ("file", "added", "voided"),
    [
        ("losses/classification.py", CODE, {"classes"}),  # a job's loss
        ("losses/regression.py", CODE, {"ab"}),
        ("losses/label_smoothing.py", CODE, {"classes"}),  # a file that the loss imports
        ("losses/perceptual.py", CODE, set()),  # another loss
        ("losses/base.py", CODE, BOTH),
        ("models/eccv16.py", CODE, {"classes"}),
        ("models/siggraph17.py", CODE, {"ab"}),
        ("models/larsson.py", CODE, set()),
        ("training/loop.py", CODE, BOTH),
        ("evaluation/metrics.py", CODE, BOTH),  # which the protocol uses
        ("evaluation/holes.py", CODE, set()),  # which it does not
        ("losses/classification.py", COMMENT, set()),
        ("losses/classification.py", '\n"""What was not said before."""\n\n\n\n', set()),
        ("losses/unrelated.py", CODE, set()),  # a new file
        ("tracking/tracker.py", CODE, set()),
        ("report/page.py", CODE, set()),
        ("records/run_folder.py", CODE, set()),
        ("config/build.py", CODE, set()),
        ("../README.md", CODE, set()),
        ("../conf/loss/l2.yaml", COMMENT, set()),  # another choice
    ],
)
def test_an_edit_voids_the_jobs_that_need_the_file(copy, read, before, file, added, voided):
    path = copy.folder / "oldrestore" / file
    text = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text((text or "") + added, encoding="utf-8")
    try:
        after = read()
    finally:
        path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    assert {name for name in JOBS if after[name] != before[name]} == voided
    for name in voided:
        assert {n for n, _ in after[name].items() ^ before[name].items()} == {file}


FILES = {
    "__init__.py": "VERSION = 1",
    "run/__init__.py": "",
    "run/experiment.py": "from oldrestore import batch\nfrom oldrestore.narrator import say",
    "batch.py": "def late():\n    from oldrestore.losses import late",
    "narrator.py": "import oldrestore.never",
    "losses/__init__.py": "from oldrestore.losses.shared import SHARED",
    "losses/shared.py": "SHARED = 1",
    "losses/late.py": "",
    "losses/focal.py": "from .near import Near\nimport oldrestore.released as released",
    "losses/near.py": "",
    "released.py": "",
    "released/net.safetensors": "",
    "never.py": "",
}


def test_imports_are_followed_wherever_they_stand(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    node = {"loss": {"terms": [{"_target_": "oldrestore.losses.focal.Focal"}, {"_target_": "paddle.nn.L1Loss"}]}}
    needed = [name for name in SourceCode(tmp_path).needed(node) if not name.startswith("the version of")]
    assert needed == sorted(FILES.keys() - {"__init__.py", "narrator.py", "never.py"})
    (tmp_path / "losses" / "near.py").write_text("def :")
    with pytest.raises(UserError, match=r"losses/near.py is not Python: invalid syntax"):
        SourceCode(tmp_path).needed(node)


PROGRAM = """
import json, sys
from oldrestore.cli import main
main(["train", *sys.argv[1:]])
print(json.dumps([module for module in sys.modules if module.startswith("oldrestore.")]))
"""


@pytest.mark.slow
def test_what_is_found_is_what_a_job_imports(workshop):
    arguments = workshop.arguments(["loss=focal", "tracking=none", "trainer.max_iterations=2"])
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    code = SourceCode()
    imported = {code.files[name].relative_to(code.package) for name in json.loads(done.stdout.splitlines()[-1])}
    needed = code.needed(compose_job(arguments)[0])
    found = {Path(name) for name in needed if name.endswith(".py")}
    assert found <= imported
    # The rest has no numbers: it starts a run, or is among WITHOUT_NUMBERS.
    folders = ["commands", "config", "engines", "records", "run", "sweeps", "statistics", "tracking"]
    rest = {path for path in imported - found if path.parts[0] not in folders}
    singles = {"cli", "errors", "files", "narrator", "panels", "plain", "signals", "tables", "terminal"}
    assert {path.stem for path in rest} <= singles, rest
    starts = {"outcome", "provenance", "resuming", "curves", "one_run", "start", "launching", "__init__"}
    assert {path.stem for path in imported - found if path.parts[0] == "run"} <= starts


@pytest.mark.parametrize(
    ("file", "added", "voided"),
    [
        ("scaled.py", CODE, {"scaled"}),  # the loss
        ("helper.py", CODE, {"scaled"}),  # which the loss imports
        ("__init__.py", CODE, {"scaled"}),  # which runs before it
        ("other.py", CODE, set()),
        ("test_scaled.py", CODE, set()),
        ("scaled.py", COMMENT, set()),
        ("conf/loss/scaled.yaml", COMMENT, set()),
    ],
)
def test_an_edit_of_a_plugin_voids_the_jobs_that_need_the_file(tmp_path, monkeypatch, file, added, voided):
    plugin = write_plugin(tmp_path / "my_plugin")
    (plugin / "helper.py").write_text("HELP = 1\n")
    (plugin / "scaled.py").write_text(f"from my_plugin.helper import HELP\n{(plugin / 'scaled.py').read_text()}")
    monkeypatch.setenv(VARIABLE, str(plugin))
    configs = {loss: compose_job([f"loss={loss}"])[0] for loss in ("scaled", "focal")}

    def needed() -> dict[str, dict]:
        return {loss: SourceCode().needed(config) for loss, config in configs.items()}

    before = needed()
    assert {name for name in before["scaled"] if name.startswith("my_plugin/")} == {
        "my_plugin/__init__.py",
        "my_plugin/helper.py",
        "my_plugin/scaled.py",
    }
    assert "losses/predicted_color.py" in before["scaled"]  # what the plugin imports of oldrestore
    with (plugin / file).open("a") as text:
        text.write(added)
    after = needed()
    assert {loss for loss in configs if after[loss] != before[loss]} == voided
