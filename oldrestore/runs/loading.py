"""Finds runs and loads their networks."""

from __future__ import annotations

import io
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from oldrestore.config.location import at_home
from oldrestore.errors import UserError, in_words
from oldrestore.tracking.reader import read_status
from oldrestore.tracking.run_yaml import run_yaml_text


def find_run(name: str, outputs: Path) -> Path:
    """Find a run folder by path, by run id, or by the beginning of a run id.

    Raises
    ------
    UserError
        When no run, or more than one, is meant.
    """
    direct = Path(at_home(name))
    try:
        if name and (direct / "config.yaml").is_file():
            return direct
    except OSError as error:  # a name that is too long, a folder that may not be entered
        reason = in_words(error)
        raise UserError(f"the run '{name}' cannot be looked up ({reason})") from None
    if not name:
        raise UserError("the name of the run is empty: give a run folder or a run id of `oldrestore runs`")
    runs = [path.parent for path in outputs.glob("*/*/config.yaml")]
    if name == "last":
        found = sorted(runs, key=_started)[-1:]
    else:
        found = [run for run in runs if run.name == name] or sorted(run for run in runs if run.name.startswith(name))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"there is no run '{name}': give a run folder or a run id of `oldrestore runs`")
    raise UserError(f"'{name}' is the beginning of {len(found)} run ids: write more of {found[0].name}")


def _started(folder: Path) -> tuple[str, str]:
    """When a run began, as its status says; its name where that cannot be read."""
    try:
        return str(read_status(folder).get("started") or ""), folder.name
    except UserError:
        return "", folder.name


def refuse_links_out(folder: Path) -> None:
    """Refuse a run folder whose files are links to files outside: trackers are sent what stands there.

    A folder ``checkpoints`` may be a link, as to a larger disk; a file may not.

    Raises
    ------
    UserError
        Naming the link.
    """
    checkpoints = folder / "checkpoints"
    candidates = [(path, folder) for path in folder.rglob("*") if path != checkpoints]
    if checkpoints.is_symlink() and checkpoints.is_dir():
        candidates += [(path, checkpoints) for path in checkpoints.iterdir()]
    for path, home in candidates:
        if path.is_symlink() and not path.resolve().is_relative_to(home.resolve()):
            name = path.relative_to(folder)
            raise UserError(
                f"'{name}' in the run '{folder.name}' is a link to {path.resolve()}, outside of it: put the file "
                "itself there"
            )


def load_run_config(folder: Path) -> DictConfig:
    """Read the configuration that a run logged, which anyone may have written since.

    Raises
    ------
    UserError
        When it is missing or damaged, or holds an interpolation: a run logs values, and one that is resolved here could
        read this machine's environment.
    """
    from oldrestore.config.build import refuse_interpolations

    path = folder / "config.yaml"
    try:
        config = OmegaConf.load(io.StringIO(run_yaml_text(path)))
    except (OSError, OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
        reason = in_words(error) if isinstance(error, OSError) else " ".join(str(error).split())
        raise UserError(f"the configuration of '{folder}' cannot be read: {reason}") from None
    if not isinstance(config, DictConfig):
        raise UserError(f"'{path}' is not a configuration of a run")
    try:
        refuse_interpolations(OmegaConf.to_container(config, resolve=False))
    except UserError as error:
        raise UserError(f"'{path}' was not written by a run: {error}") from None
    return config


def load_network(folder: Path, config: DictConfig, checkpoint: str = "best"):
    """Build a run's network with the weights of one of its checkpoints, in evaluation mode.

    Parameters
    ----------
    folder : Path
        The run folder.
    config : DictConfig
        The run's configuration.
    checkpoint : str
        ``best``, ``last`` or the name of a kept one.

    Raises
    ------
    UserError
        When the checkpoint is not there or does not fit.
    """
    from oldrestore.config.build import build
    from oldrestore.models.weights import load_weights

    path = folder / "checkpoints" / f"{checkpoint}.safetensors"
    if not path.is_file():
        held = sorted(p.stem for p in (folder / "checkpoints").glob("*.safetensors"))
        raise UserError(f"run '{folder.name}' has no checkpoint '{checkpoint}': it has {', '.join(held) or 'none'}")
    model = OmegaConf.merge(config.model, {"weights": None}) if "weights" in config.model else config.model
    network = build(model)
    load_weights(network, path)
    network.eval()
    return network
