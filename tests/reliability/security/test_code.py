"""What is not in the code cannot be reached: nothing runs what a file says, nothing calls out by itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

import oldrestore

PACKAGE = Path(oldrestore.__file__).parent

# Calls that run what a file says, or read it with a reader that does.
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "breakpoint", "input", "ctypes.CDLL", "pty.spawn", "code.interact",
    "os.system", "os.popen", "os.execv", "os.execvp", "os.execve", "os.spawnv", "os.startfile",
    "subprocess.getoutput", "subprocess.getstatusoutput", "runpy.run_path", "runpy.run_module", "imp.load_source",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cPickle.loads", "dill.loads", "cloudpickle.loads",
    "joblib.load", "marshal.load", "marshal.loads", "shelve.open", "pandas.read_pickle", "pd.read_pickle",
    "torch.load", "paddle.load", "paddle.jit.load", "paddle.static.load", "paddle.fluid.load",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.unsafe_load_all",
    "tarfile.open", "zipfile.ZipFile", "shutil.unpack_archive", "xml.etree.ElementTree.parse", "numpy.fromregex",
    "hydra.utils.instantiate", "instantiate", "hydra.utils.call", "hydra.utils.get_class", "hydra.utils.get_method",
}  # fmt: skip
ADMITTED_CALLS = {
    ("records/run_yaml.py", "yaml.load"): "with SafeLoader, which makes plain values only",
    ("models/torch_pickle.py", "zipfile.ZipFile"): "read member by member, never unpacked to the disk",
    ("records/bundle.py", "zipfile.ZipFile"): "each member by its checked name, within bounds, against its sha256",
    ("records/bundling.py", "zipfile.ZipFile"): "for writing",
    (
        "data/packages/downloads.py",
        "tarfile.open",
    ): "a pinned package, read member by member, never unpacked to the disk",
    ("run/processes/launching.py", "ctypes.CDLL"): "the process's own C library, for one call of the kernel",
    ("kernels/library.py", "ctypes.CDLL"): "the oneDNN library within the installed Paddle",
    ("runtime.py", "ctypes.CDLL"): "the process's own C library, for two options of its malloc",
    ("terminal.py", "os.execv"): "this very program with its own arguments, in Python's UTF-8 mode",
    ("config/build.py", "instantiate"): "the one seam, behind the checks of targets",
}
NETWORK = {"urllib.request", "http.client", "requests", "ftplib", "smtplib", "telnetlib", "xmlrpc", "aiohttp", "httpx"}
ADMITTED_NETWORK = {"tracking/ui.py": "asks the pages that it has started itself whether they answer"}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the package: file, dotted name with imports undone, node."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = {}
        for node in ast.walk(tree):
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
                if isinstance(node, ast.Import):
                    names[alias.asname or alias.name.partition(".")[0]] = alias.asname and alias.name
                elif node.module and not node.level:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                first, dot, rest = ast.unparse(node.func).partition(".")
                yield path.relative_to(PACKAGE).as_posix(), (names.get(first) or first) + dot + rest, node


def test_nothing_runs_what_a_file_says(ledger):
    found, count = {}, 0
    for file, name, node in calls():
        count += 1
        short = name.removeprefix("hydra.utils.")
        if name in FORBIDDEN or short in FORBIDDEN:
            found[file, short if short in FORBIDDEN else name] = node
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert keywords.get("shell", "False") == "False", f"{file}:{node.lineno} hands a command to a shell"
        assert keywords.get("allow_pickle", "False") == "False", f"{file}:{node.lineno} lets NumPy unpickle"
        assert keywords.get("weights_only", "True") == "True", f"{file}:{node.lineno}"
        if name.startswith("subprocess.") and node.args and name != "subprocess.CompletedProcess":
            # A list, never a text that something would have to split.
            assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), f"{file}:{node.lineno}"
    assert found.keys() == ADMITTED_CALLS.keys()
    for (file, name), node in found.items():
        if name == "yaml.load":
            assert {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords} == {"Loader": "LOADER"}, file
    from oldrestore.records import run_yaml

    assert issubclass(run_yaml.LOADER, yaml.SafeLoader | getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert count > 5000
    what = "calls in oldrestore/ that run what a file says (eval, exec, unsafe pickle and YAML, shells)"
    sentence = f"none but {len(ADMITTED_CALLS)}, each with its reason in tests/reliability/security/test_code.py"
    ledger.record(what, through="the source", right=1, sentence=sentence)


def test_nothing_calls_out():
    """No part speaks to a network by itself; MLflow's client does where the user names a server."""
    for path in sorted(PACKAGE.rglob("*.py")):
        imports = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
        outside = {name for name in names if any(name == n or name.startswith(f"{n}.") for n in NETWORK)}
        assert not outside or path.relative_to(PACKAGE).as_posix() in ADMITTED_NETWORK, f"{path} imports {outside}"
