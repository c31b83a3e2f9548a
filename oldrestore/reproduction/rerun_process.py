"""The process of a new run; started as a file, so that it also works with other versions of the package.

It imports nothing of the package before it has checked which one it gets, and uses only what every version has.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SHOWN = 3


def main(request_file: str) -> int:
    """Do what a request says; its ``result`` file tells how that went."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    import oldrestore

    found = Path(oldrestore.__file__).resolve().parent.parent
    if found != Path(request["code"]).resolve():
        return report(request, refused=f"Python imports oldrestore from {found} and not from {request['code']}")
    from oldrestore import runtime

    runtime.prepare()
    for name, value in request["environment"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    runtime.quiet_import_of_paddle()
    from oldrestore.errors import UserError

    try:
        return train(request)
    except UserError as error:
        return report(request, refused=str(error))


def train(request: Mapping[str, Any]) -> int:
    """Check the photographs, and train."""
    import paddle
    from omegaconf import OmegaConf

    from oldrestore.config.compose import resolve_and_check

    if importlib.util.find_spec("oldrestore.run") is not None:
        from oldrestore.narrator import Narrator
        from oldrestore.run.start import start_run
    else:  # the code of an earlier commit
        from oldrestore.runs.experiment import run_experiment as start_run
        from oldrestore.training.progress import Narrator

    config = resolve_and_check(OmegaConf.create(request["config"]))
    problem = check_data(config, request["data"])
    if problem is not None:
        return report(request, refused=problem)
    has_gpu = paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    if request["device"] == "cpu" and has_gpu:  # else the setting stays: it is no difference between the two runs
        config.trainer.device = "cpu"
    knows_choices = "choices" in inspect.signature(start_run).parameters
    more = {"choices": request["choices"]} if knows_choices else {}
    outcome = start_run(config, request["overrides"], Narrator(), **more)
    return report(request, state=outcome.state, reason=outcome.reason, folder=str(outcome.folder))


def check_data(config: Any, recorded: Mapping[str, Any]) -> str | None:
    """Say in one sentence which photographs, or whether the judge, are not those of the run; None if all are."""
    from oldrestore.config.build import build

    source = build(config.dataset)
    splits = {"train": source.split("train"), "val": source.split("val")}
    judged = config.evaluation.judged
    if judged is not None:
        judged_source = source if judged == "dataset" else build(judged)
        splits["judged"] = judged_source.split(config.evaluation.judged_split)
    for name, split in splits.items():
        problem = different_photographs(name, recorded.get(name), split)
        if problem is not None:
            return problem
    if judged is not None and "judge" in recorded:
        judge = build(config.judge)
        if judge.fingerprint != recorded["judge"]["fingerprint"]:
            return f"the judge {judge.name} is not the network that the run was judged by: its weights are others"
    return None


def different_photographs(name: str, recorded: Mapping[str, Any] | None, split: Any) -> str | None:
    """Say how the photographs of a split differ from those the run recorded; None if they do not."""
    if recorded is None:
        return f"the run recorded no photographs of '{name}', which this configuration needs"
    if recorded["fingerprint"] == split.fingerprint:
        return None
    then = recorded.get("photographs")
    if then is None:
        return (
            f"the photographs of '{name}' are not those of the run ({recorded.get('count')} then, {len(split.photos)} "
            "now, other contents or labels; the run did not write down each of them)"
        )
    now = {
        # Photographs of earlier commits have one class at most.
        photo.name: f"{sha256} {getattr(photo, 'label_text', '-' if photo.label is None else photo.label)}"
        for photo, sha256 in zip(split.photos, split.hashes, strict=True)
    }
    others = {n: then[n].split()[0] != now[n].split()[0] for n in then if n in now and then[n] != now[n]}
    parts = []
    for what, names in (
        ("other contents", [n for n in others if others[n]]),
        ("another label", [n for n in others if not others[n]]),
        ("missing", [n for n in then if n not in now]),
        ("new", [n for n in now if n not in then]),
    ):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            parts.append(f"{what}: {', '.join(names[:SHOWN])}{more}")
    return f"the photographs of '{name}' are not those of the run ({'; '.join(parts)}): put them back as they were"


def report(request: Mapping[str, Any], **result: Any) -> int:
    """Write how it went."""
    Path(request["result"]).write_text(json.dumps(result), encoding="utf-8")
    return 2 if "refused" in result else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
