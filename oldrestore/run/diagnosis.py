"""Says where NaN began, and what to do about it: the steps since the last checkpoint are repeated under watch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from omegaconf import DictConfig
from rich.console import Console

from oldrestore import parallel
from oldrestore.narrator import Narrator
from oldrestore.run.components import build_components
from oldrestore.run.progress import restore_last
from oldrestore.run.steps import nothing, take_steps
from oldrestore.training.first_nan import FoundOriginError, NanOrigin, WatchedLearner
from oldrestore.training.interruption import Interruption, Killed

FORMULA = "look for a logarithm, root, power or division at 0"
AGAIN = "resume the run, and if it fails again elsewhere, suspect the device"
LOWER = "try a lower optimizer.learning_rate, schedule.warmup or trainer.learner.gradient_clip=1"


def where_nan_began(
    config: DictConfig, folder: Path, updates: int, narrator: Narrator, interruption: Interruption
) -> str:
    """Repeat the steps of a run that diverged, and return where it began and what may help, for a sentence.

    They begin at the run's last checkpoint, or at its beginning if it has none, and end after so many `updates`. No
    number of the run is changed. In several processes, all call it.
    """
    quiet = Narrator(console=Console(quiet=True))
    origin, why = None, f"it did not come again when the steps were repeated: {AGAIN}"
    try:
        components = build_components(config)
        checkpoint = restore_last(folder, components.learner)
        start = 0 if checkpoint is None else int(checkpoint.state["iteration"])
        if updates - start > 1:
            narrator.say(f"repeating iterations {start} to {updates - 1}, to find where it began (Ctrl-C ends that)")
        log, learner = SimpleNamespace(scalars=nothing), WatchedLearner(components.learner)
        take_steps(config, components, log, quiet, interruption, start=start, end=updates, learner=learner)
    except FoundOriginError as found:
        origin = found.origin
    except Killed:
        why = f"where it began was not found out, for the search was stopped; {LOWER}"
    except Exception as error:  # noqa: BLE001 (whatever it is, how the run failed is known already)
        words = " ".join(str(error).split())[:200]
        why = f"where it began was not found out ({type(error).__name__}: {words}); {LOWER}"
    origin = next((each for each in parallel.gather(origin) if each is not None), None)
    return why if origin is None else f"{_in_words(origin)}; {_advice(origin, config)}"


def _in_words(origin: NanOrigin) -> str:
    return f"it began {origin.words}, at iteration {origin.iteration}"


def _advice(origin: NanOrigin, config: DictConfig) -> str:
    amp = config.trainer.learner.get("amp", "off")
    mixed = {"float16": ", or trainer.learner.amp=bfloat16", "bfloat16": ", or trainer.learner.amp=off"}.get(amp, "")
    if origin.stage == "gradient of loss":
        return f"the loss has no derivative there: {FORMULA} in it, and add a small constant"
    if origin.stage == "discriminator":  # whose first update comes before its part in the network's
        return LOWER.replace("optimizer.learning_rate", "trainer.learner.discriminator_optimizer.learning_rate", 1)
    if origin.iteration == 0 and origin.stage != "update":
        what = "the loss or its input" if origin.stage == "loss" else "the network, its first weights or its input"
        return f"no update had been made, so it is {what} and not the learning rate: {FORMULA}{mixed}"
    formula = f"; if the prediction is of ordinary size, {FORMULA} in the loss" if origin.stage == "loss" else ""
    return f"{LOWER}{mixed}{formula}"
