"""A search finds the better settings, stops what promises nothing, and goes on where it was left."""

import shutil
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from oldrestore.errors import UserError
from oldrestore.records.asked_settings import as_override
from oldrestore.records.source_code import SourceCode
from oldrestore.sweeps.deleting import delete_run
from oldrestore.sweeps.search import read_search
from oldrestore.sweeps.trials import Search

optuna = pytest.importorskip("optuna")

SWEEP = """\
# @package _global_
search:
  metric: val/loss
  direction: minimize
  trials: 6
  random_trials: 3
  space:
    optimizer.learning_rate: {{low: 1e-4, high: 1e-1, log: true}}
    trainer.batch_size: {{choices: [1, 2]}}
{more}"""


@pytest.fixture
def search(workshop, tmp_path, monkeypatch):
    """Make a search from a sweep's file in the current folder."""
    monkeypatch.chdir(tmp_path)

    def make(more: str = "", outputs: Path = workshop.outputs, keep_done: bool = False, **changed: str) -> Search:
        text = SWEEP.format(more=more)
        for old, new in changed.items():
            text = text.replace(f"{old}: ", f"{old}: {new} # ", 1)
        (tmp_path / "sweeps").mkdir(exist_ok=True)
        (tmp_path / "sweeps" / "found.yaml").write_text(text)
        settings = ["evaluation.judged=null", "tracking=none", "sweeps=found", f"outputs='{outputs}'"]
        return Search("found", read_search("found"), workshop.arguments(settings), keep_done)

    return make


def carry_out(search: Search, slots: int = 2) -> int:
    """Run a search; returns the number of jobs that it started."""
    said: list[str] = []
    search.begin(False)
    search.carry_out(slots, True, said.append)
    return len([line for line in said if line.startswith(("started", "continued"))])


def test_trials_are_counted_over_every_start_and_the_best_is_known(search, endings):
    first = search()
    assert carry_out(first) == 6
    entries = first.ledger.entries(first.keys)
    assert [entry.state for entry in entries] == ["done"] * 6
    assert first.holds(entries)
    values = [trial.value for trial in first.study.get_trials()]
    assert first.best()["value"] == min(values)
    assert carry_out(search()) == 0
    # A trial whose run folder is gone is trained again, and its value stays.
    shutil.rmtree(entries[2].folder)
    second = search(more="  pruning: {after_trials: 1}\n")
    assert [entry.is_lost for entry in second.entries()] == [False, False, True, False, False, False]
    assert carry_out(second) == 1
    again = second.ledger.entries()[2]
    assert (again.state, again.settings, again.attempts) == ("done", entries[2].settings, 2)
    assert Path(again.folder).is_dir() and again.folder != entries[2].folder
    assert [trial.value for trial in second.study.get_trials()] == values
    # One whose run a person deleted is trained again only if that is asked for.
    delete_run(Path(entries[3].folder))
    third = search()
    assert carry_out(third) == 0 and third.holds(third.ledger.entries())
    assert [entry.state for entry in third.begin(False, retry_deleted=True)].count("queued") == 1
    assert carry_out(third) == 1
    more = search(trials="8")
    assert carry_out(more) == 2
    assert {entry.key for entry in more.ledger.entries()} == {f"trial-{number:05d}" for number in range(8)}


def test_a_search_in_a_folder_with_any_name_keeps_its_study_there(search, tmp_path, endings):
    odd, moved = tmp_path / "runs" / "a?b%20c#d", tmp_path / "moved"
    assert carry_out(search(outputs=odd)) == 6
    assert (odd / "sweeps" / "found" / "optuna.db").is_file()
    assert list((tmp_path / "runs").iterdir()) == [odd]
    shutil.move(odd, moved)
    other = search(outputs=moved)
    assert carry_out(other) == 0
    assert other.best()["value"] == min(trial.value for trial in other.study.get_trials())


def test_what_is_drawn_depends_on_the_trial_and_two_processes_share_a_study(search):
    one, other = search(), search()
    one.begin(False)
    other.begin(False)
    taken = [process.claim() for process in (one, other, one, other, one, other, one)]
    assert [entry.key for entry in taken[:6]] == [f"trial-{number:05d}" for number in range(6)]
    assert taken[6] is None
    drawn = [tuple(trial.params.values()) for trial in one.study.get_trials()]
    assert len(set(drawn)) == 6


def test_an_interrupted_trial_goes_on_in_its_run(search, endings):
    endings["*"] = "kill"
    first = search(trials="1")
    carry_out(first)
    (entry,) = first.ledger.entries(first.keys)
    assert entry.state == "interrupted"
    assert not first.holds([entry])
    endings["*"] = "finish"
    again = search(trials="1")
    assert carry_out(again) == 1
    (later,) = again.ledger.entries(again.keys)
    assert (later.state, later.folder, later.attempts) == ("done", entry.folder, 2)
    (trial,) = again.study.get_trials()
    assert trial.state == optuna.trial.TrialState.COMPLETE


def test_a_trial_worse_than_the_median_is_stopped(search, endings, monkeypatch):
    endings["*"] = "prune"
    drawn = iter([0.01, 0.012, 0.1])
    monkeypatch.setattr(
        "oldrestore.sweeps.search.Range.suggest",
        lambda self, trial, name: trial.suggest_float(name, *([next(drawn)] * 2)),
    )
    found = search("  pruning: {after_trials: 2}\n", trials="3")
    assert carry_out(found, slots=1) == 3
    entries = found.ledger.entries(found.keys)
    assert [entry.state for entry in entries] == ["done", "done", "pruned"]
    assert entries[2].reason == "val/loss was worse than the median at iteration 3"
    assert [trial.state.name for trial in found.study.get_trials()] == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert found.study.get_trials()[0].intermediate_values == {3: pytest.approx(0.0)}


def test_a_trial_whose_process_died_before_it_began_is_given_up(search, endings):
    first = search(trials="2")
    first.begin(False)
    first.study.ask()
    again = search(trials="2")
    carry_out(again)
    assert [trial.state.name for trial in again.study.get_trials()] == ["FAIL", "COMPLETE"]


def test_another_search_needs_another_name(search, refusal):
    search().begin(False)
    with pytest.raises(UserError, match="began with other space: give this one a name"):
        search(**{"optimizer.learning_rate": "{low: 1e-4, high: 1.0, log: true}"}).begin(False)
    assert "raise search.trials" in refusal(search().begin, True)


def test_other_code_of_any_choice_needs_another_name_or_keeps_the_trials(search, endings, monkeypatch):
    def code(digest: str) -> None:
        monkeypatch.setattr(SourceCode, "needed", lambda self, config: {"losses/l1.py": digest})

    code("1")
    assert carry_out(search(trials="2")) == 2
    code("2")
    with pytest.raises(UserError, match=r"began with other code \(losses/l1.py changed\): give .* with --keep-done"):
        search(trials="3").begin(False)
    kept = search(trials="3", keep_done=True)
    assert carry_out(kept) == 1
    assert kept.known.kept == dict.fromkeys(["trial-00000", "trial-00001"], "losses/l1.py changed")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"direction": "best"}, "search.direction: Input should be 'minimize' or 'maximize'"),
        ({"trials": "0"}, "search.trials"),
        ({"optimizer.learning_rate": "{low: 2, high: 1}"}, "low must be below high"),
        ({"optimizer.learning_rate": "{low: -1.0, high: 1.0}"}, "optimizer.learning_rate"),
        ({"optimizer.learning_rate": "{low: 0, high: 1, log: true}"}, "log takes a low above 0"),
    ],
)
def test_a_wrong_section_is_one_sentence(search, changed, sentence, refusal):
    assert sentence in refusal(search, **changed)


def test_a_dry_run_says_what_would_be_searched(search, workshop, cli):
    search()
    request = ["sweep", *workshop.arguments(["evaluation.judged=null"]), "sweeps=found", "--dry-run"]
    printed = cli(*request).out
    assert printed.startswith("6 trials of  oldrestore train sweeps=found ")
    assert "optimizer.learning_rate  low 0.0001, high 0.1, log True" in printed
    assert cli(*request, "--json").content["search"]["trials"] == 6
    assert not list(Path(workshop.outputs).iterdir())
    assert "one value" in cli(*request, "seed=0,1", code=2).err


def test_a_search_is_not_a_training(tmp_path, cli):
    refused = cli("train", "sweeps=rebalancing_search", f"outputs={tmp_path}", code=2).err
    assert "is a search, which `oldrestore sweep sweeps=NAME` runs" in refused
    assert read_search("rebalancing_search").trials == 20
    assert read_search("seeds") is None


def test_values_are_written_as_typed():
    typed = {"a=null": None, "a=true": True, "a=3": 3, "a=1e-05": 1e-05, "a=focal": "focal", r"a='it\'s'": "it's"}
    for text, value in typed.items():
        assert as_override("a", value) == text
        (parsed,) = OverridesParser.create().parse_overrides([text])
        assert parsed.value() == value
