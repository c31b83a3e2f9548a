"""Which jobs a sweep has, what makes two of them the same, and the configuration that is kept with them."""

import pytest
from PIL import Image

from oldrestore.records.identity import settings_of
from oldrestore.sweeps import plan
from oldrestore.sweeps.plan import compose_job, plan_jobs, snapshot_configuration
from tests.generated_photographs import make_folder, make_photograph


@pytest.fixture
def base(workshop) -> list[str]:
    return workshop.arguments(["evaluation.judged=null"])


def test_a_jobs_identity_is_what_changes_results(tmp_path, base):
    def planned(*settings: str):
        (job,) = plan_jobs([*base, *settings])
        return job

    job, seed = planned(), planned("seed=1")
    assert (seed.identity, seed.seed) == (job.identity, 1)
    assert seed.key != job.key
    # The same photographs elsewhere are the same job; another photograph is another.
    elsewhere = make_folder(tmp_path / "elsewhere")
    there = f"dataset.root={elsewhere}"
    for same in ("tracking=none", "trainer.workers=2", "trainer.checkpoint_every=1", "experiment=other", there):
        assert planned(same).key == job.key, same
    Image.fromarray(make_photograph(400)).save(elsewhere / "train" / "0" / "train0.jpg", quality=95)
    changes = ("model.width=0.125", "loss=cross_entropy", "trainer.batch_size=1", "evaluation.size=64", there)
    for different in changes:
        assert planned(different).identity != job.identity, different


def test_weights_count_by_what_they_hold(tmp_path):
    config, _ = compose_job(["model.width=0.0625"])
    counted = set()
    for name in ("one", "other"):
        (tmp_path / name).write_bytes(b"same")
        config["model"]["weights"] = str(tmp_path / name)
        counted.add(settings_of(config)["model.weights"])
    assert len(counted) == 1 and counted.pop().startswith("sha256:")


def test_code_that_results_depend_on_is_part_of_the_key(base, monkeypatch):
    (before,) = plan_jobs(base)
    monkeypatch.setattr(plan.SourceCode, "needed", lambda self, config: {"losses/l1.py": "other"})
    (after,) = plan_jobs(base)
    assert after.identity == before.identity
    assert after.key != before.key


def test_a_sweep_file_gives_its_grid_and_its_settings(base):
    jobs = plan_jobs([*base, "sweeps=rebalancing", "seed=0,1", "dataset=image_folder"])
    assert len(jobs) == 2 * 5 * 2
    assert {tuple(job.settings) for job in jobs} == {("loss.rebalance.lambda_", "loss.rebalance.clamp")}
    assert len({job.identity for job in jobs}) == 10
    assert all(job.config["schedule"]["warmup"] == 50 for job in jobs)
    assert jobs[0].choices["schedule"] == "cosine"
    assert jobs[0].overrides[0] == "sweeps=rebalancing"


def test_jobs_are_called_by_what_the_sweep_varies(base):
    def names(*settings: str):
        return [job.config["design"] for job in plan_jobs([*base, *settings])]

    found = names("loss=cross_entropy,focal", "model.width=0.25,0.5", "optimizer.learning_rate=1e-4")
    assert sorted(found) == [
        f"loss={loss}, width={width}" for loss in ("cross_entropy", "focal") for width in (0.25, 0.5)
    ]
    assert names("seed=0,1") == [None, None] and names("seed=0,1", "design=mine") == ["mine", "mine"]
    assert names("design=mine", "loss=cross_entropy,focal") == ["mine, loss=cross_entropy", "mine, loss=focal"]


def test_the_configuration_is_copied_once_for_equal_contents(tmp_path):
    place = snapshot_configuration(tmp_path)
    assert (place / "conf" / "config.yaml").read_text().startswith("# The root of every configuration")
    assert (place / "sweeps" / "seeds.yaml").is_file()
    assert snapshot_configuration(tmp_path) == place
    assert len(list(tmp_path.iterdir())) == 1


def test_a_job_whose_loss_does_not_fit_its_model_is_refused_by_its_settings(base, refusal):
    words = refusal(plan_jobs, [*base, "loss=lpips,l1", "seed=0,1"])
    assert words.startswith("the job loss=lpips cannot be trained: the loss ")
    assert " but the model Eccv16 predicts logits: set " in words
    assert refusal(plan_jobs, [*base, "loss=l1"]).startswith("the loss ")
    assert len(plan_jobs([*base, "loss=l1", "loss.annealed_mean=0.38", "seed=0,1"])) == 2
    (base_of_a_search,) = plan_jobs([*base, "loss=l1"], trained=False)
    assert base_of_a_search.choices["loss"] == "l1"


def test_runs_of_a_sweep_stand_in_one_folder(base, refusal):
    assert "one outputs folder" in refusal(plan_jobs, [*base[:-1], "outputs=a,b", "seed=0"])
