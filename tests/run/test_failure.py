"""Why a run failed is one sentence, also where Paddle wraps what was raised into paragraphs of its own."""

from __future__ import annotations

import errno

import pytest

from oldrestore import parallel
from oldrestore.errors import UserError
from oldrestore.run.run_in_progress import failure_in_words
from oldrestore.training.loop import DivergedError

# As Paddle hands on what is raised within a backward pass.
WRAPPED = """(External)
{
    ===== Error Message In Backward Of GradNodePyLayer__Normalise =====
    LostProcessError: process 1 of 2 died
}
 (at /paddle/py_layer_node.cc:177)
"""


def test_a_lost_process_is_named_whatever_type_paddle_gives_the_error(monkeypatch):
    monkeypatch.setattr(parallel, "_loss", "process 1 of 2 died (it was process 7 of here)")
    for error in (OSError(WRAPPED), RuntimeError(WRAPPED), parallel.LostProcessError("x"), UserError("x")):
        assert failure_in_words(error) == "process 1 of 2 died (it was process 7 of here)"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("take another"), "take another"),
        (DivergedError("train/loss is nan"), "train/loss is nan"),
        (OSError(errno.ENOSPC, "No space left on device", "a/metrics.jsonl"), "'a/metrics.jsonl': the disk is full"),
        (OSError("(External) CUDA error(719).\n  [Hint: a]\n"), "(external) cuda error(719). [hint: a]"),
        (RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed."), "a process that loads photographs"),
        (RuntimeError("shapes differ"), None),
        (KeyError("model"), None),
    ],
)
def test_each_failure_is_one_sentence_and_a_defect_is_none(error, words):
    found = failure_in_words(error)
    assert found == words if words is None else found.startswith(words)
    assert found is None or "\n" not in found
