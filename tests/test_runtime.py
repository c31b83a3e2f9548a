"""The environment that Paddle reads, and the handlers of signals: what is set, and how it is restored."""

import os
import platform
import resource
import signal
import subprocess
import sys

import pytest

from oldrestore import runtime
from oldrestore.signals import handling


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


REWRITES = """
import resource
from oldrestore import runtime
if {prepare}:
    runtime.prepare()

size = 48 * 2**20  # above 32 MiB, which glibc maps afresh each time

def write_anew():
    b"x" * size

write_anew()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    write_anew()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults_of_large_blocks(prepare: bool, **variables: str) -> int:
    """Page faults of ten blocks of 48 MiB written one after another, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if "malloc" not in (name + value).lower()}
    command = [sys.executable, "-c", REWRITES.format(prepare=prepare)]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has its own allocator")
def test_large_blocks_are_not_mapped_afresh_unless_the_user_has_set_up_the_allocator():
    pages = 10 * 48 * 2**20 // resource.getpagesize()
    assert faults_of_large_blocks(prepare=False) > 0.9 * pages
    assert faults_of_large_blocks(prepare=True) < 0.01 * pages
    assert faults_of_large_blocks(prepare=True, MALLOC_TRIM_THRESHOLD_="131072") > 0.9 * pages
    assert faults_of_large_blocks(prepare=True, GLIBC_TUNABLES="glibc.malloc.trim_threshold=131072") > 0.9 * pages


def test_a_loaded_allocator_is_the_users_choice_and_another_library_is_not(monkeypatch):
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libsomething.so")
    assert runtime.allocator_chosen_by_user() is None
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")
    assert runtime.allocator_chosen_by_user() == "LD_PRELOAD"
    assert not runtime.keep_freed_memory()


def test_signals_reach_the_handler_in_the_block_and_their_own_afterwards():
    before, came = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}, []
    with pytest.raises(ZeroDivisionError), handling(before, lambda number, frame: came.append(number)):
        signal.raise_signal(signal.SIGUSR1)
        with handling([signal.SIGTERM], lambda *_: came.append("inner")):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError
    assert came == [signal.SIGUSR1, "inner", signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in before} == before
