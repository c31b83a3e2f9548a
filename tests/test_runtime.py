"""The environment that Paddle reads: what is set, and how a run's is set again."""

from __future__ import annotations

import os
import sys

import pytest

from oldrestore import runtime


@pytest.fixture
def before_paddle(monkeypatch):
    """As in a process that has not imported Paddle yet, on a processor with MKL's code path 5."""
    monkeypatch.delitem(sys.modules, "paddle")
    monkeypatch.setattr(runtime, "mkl_code_path", lambda: "5")
    for name in runtime.RECORDED:
        monkeypatch.setenv(name, "here")


def test_what_the_numbers_depend_on_is_set_as_it_was(before_paddle):
    recorded = {"OMP_NUM_THREADS": "3", "MKL_DEBUG_CPU_TYPE": "5", "MKL_CBWR": None, "CUDA_VISIBLE_DEVICES": "7"}
    runtime.restore_environment(recorded)
    assert runtime.recorded_environment() == {
        "OMP_NUM_THREADS": "3",
        "MKL_DEBUG_CPU_TYPE": "5",
        "MKL_CBWR": None,
        "CUDA_VISIBLE_DEVICES": "here",  # which GPU is free is the machine's affair
        "FLAGS_cudnn_deterministic": "here",  # nobody wrote it down
    }


def test_a_code_path_that_the_processor_lacks_is_not_asked_for(before_paddle, monkeypatch):
    runtime.restore_environment({"MKL_DEBUG_CPU_TYPE": "7"})
    assert os.environ["MKL_DEBUG_CPU_TYPE"] == "here"
    monkeypatch.setattr(runtime, "mkl_code_path", lambda: "7")
    runtime.restore_environment({"MKL_DEBUG_CPU_TYPE": "5"})
    assert os.environ["MKL_DEBUG_CPU_TYPE"] == "5"
    runtime.restore_environment({"MKL_DEBUG_CPU_TYPE": None})
    assert "MKL_DEBUG_CPU_TYPE" not in os.environ


def test_after_paddle_nothing_is_set(before_paddle, monkeypatch):
    monkeypatch.setitem(sys.modules, "paddle", object())
    runtime.restore_environment({"OMP_NUM_THREADS": "3"})
    assert os.environ["OMP_NUM_THREADS"] == "here"
