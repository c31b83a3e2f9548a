"""Jobs run in order, one at a time, and can be stopped."""

import threading

import pytest

from oldrestore.studio.jobs import MOST_WAITING, JobQueue, JobStopped


@pytest.fixture
def queue():
    made = JobQueue()
    yield made
    made.close()


@pytest.fixture
def busy(queue):
    """A job that runs until it is let go."""
    go, started = threading.Event(), threading.Event()

    def work(job):
        started.set()
        assert go.wait(20)
        job.step("later")
        return "through"

    job = queue.add(work)
    assert started.wait(20)
    yield job, go
    go.set()


def test_jobs_run_in_order_and_return_what_they_make(queue):
    seen = []
    jobs = [queue.add(lambda job, n=n: seen.append(n) or n * n) for n in range(5)]
    assert [job.future.result(20) for job in jobs] == [0, 1, 4, 9, 16] and seen == [0, 1, 2, 3, 4]
    assert queue.find(jobs[2].number) is jobs[2] and queue.find(99) is None and jobs[2].stage == "done"


def test_an_error_ends_its_job_only(queue):
    def fails(job):
        raise ValueError("no")

    job = queue.add(fails)
    with pytest.raises(ValueError, match="no"):
        job.future.result(20)
    assert job.stage == "failed" and queue.add(lambda job: 1).future.result(20) == 1


def test_a_newer_request_takes_the_place_of_a_waiting_one(queue, busy):
    old, other, new = (queue.add(lambda job: 1, replaces=kind) for kind in ("a", "b", "a"))
    with pytest.raises(JobStopped):
        old.future.result(0)
    busy[1].set()
    assert other.future.result(20) == new.future.result(20) == 1


def test_a_running_job_stops_at_its_next_step(queue, busy):
    waiting = queue.add(lambda job: 1)
    queue.stop(waiting)
    queue.stop(busy[0])
    busy[1].set()
    for job in (waiting, busy[0]):
        with pytest.raises(JobStopped):
            job.future.result(20)
        assert job.stage == "stopped"


def test_there_is_an_end_to_waiting(queue, busy, refusal):
    for _ in range(MOST_WAITING):
        queue.add(lambda job: 1)
    assert "50 jobs are waiting" in refusal(queue.add, lambda job: 1)


def test_what_waits_is_stopped_when_the_studio_closes(queue, busy, refusal):
    job = queue.add(lambda job: 1)
    busy[1].set()
    queue.close()
    assert job.stage in ("stopped", "done")
    assert "closing" in refusal(queue.add, lambda job: 1)
