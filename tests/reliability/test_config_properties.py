"""Random overrides: those that are right compose and come out as typed, all others are answered in one sentence."""

from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from oldrestore.config.compose import compose_config, override_config
from oldrestore.config.location import configuration_root
from oldrestore.errors import UserError
from tests.reliability.conftest import examples

CONF = configuration_root() / "conf"
GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "restore")
CHOICES = {group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in GROUPS}


def paths_of(node, prefix: str = "") -> list[str]:
    found = []
    for name, value in node.items():
        path = f"{prefix}{name}"
        found.append(path)
        if OmegaConf.is_dict(value):
            found += paths_of(value, f"{path}.")
    return found


PATHS = paths_of(compose_config([]))
whole, share = st.integers(1, 10**6), st.floats(0.01, 1, allow_subnormal=False)
# What may be set to what, each free of the others.
RIGHT = {
    "seed": st.integers(0, 2**31 - 1),
    "trainer.max_iterations": whole,
    "trainer.batch_size": st.integers(1, 512),
    "trainer.workers": st.integers(0, 16),
    "trainer.log_every": whole,
    "trainer.device": st.sampled_from(["auto", "cpu", "gpu", "gpu:1"]),
    "trainer.deterministic": st.booleans(),
    "model.width": share,
    "loss.rebalance.lambda_": st.floats(0.01, 1),
    "dataset.validation_fraction": st.floats(0, 1),
    "optimizer.learning_rate": st.floats(1e-8, 1),
    "schedule": st.sampled_from(CHOICES["schedule"]),
    "tracking": st.sampled_from(CHOICES["tracking"]),
    "judge": st.sampled_from(["efficientnet_lite0", "efficientnet_lite2"]),
}
right_ones = st.dictionaries(st.sampled_from(sorted(RIGHT)), st.none(), min_size=1, max_size=6).flatmap(
    lambda names: st.fixed_dictionaries({name: RIGHT[name] for name in names})
)

ODD_VALUES = ["null", "", "[]", "{}", "${seed}", "${nothing}", "${oc.env:HOME}", "???", "[1,{a:2}]", "1,2", "'"]
values = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.booleans(),
    st.text(max_size=20),
    st.sampled_from(ODD_VALUES),
    st.sampled_from(["x" * 300, "[" * 2000, "[" * 2000 + "]" * 2000]),
)
names = st.one_of(
    st.sampled_from(PATHS),
    st.sampled_from(PATHS).map(lambda path: path + "x"),
    st.sampled_from(GROUPS + [f"{group}@other" for group in GROUPS]),
    st.sampled_from(["experiments", "sweeps", "hydra.run.dir", "_target_", "model._target_", "loss._partial_"]),
    st.text(max_size=12),
    st.just("y" * 300),
)
any_override = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(["", "+", "++", "~"]), names, values),
    st.text(max_size=30),
    st.sampled_from(["model._target_=os.system", "loss._target_=subprocess.run", "+model.x={_target_: os.getcwd}"]),
)


def text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@examples(3, 25)
@given(right_ones)
def test_right_overrides_compose_and_come_out(chosen):
    overrides = [f"{name}={text(value)}" for name, value in chosen.items()]
    config = compose_config(overrides)
    for name, value in chosen.items():
        if name not in GROUPS:
            assert OmegaConf.select(config, name) == value
    # The order of settings does not matter, and a logged configuration is changed in the same way.
    assert compose_config(overrides[::-1]) == config
    assert override_config(compose_config([]), overrides) == config
    assert compose_config([]) == compose_config([])
    assert not OmegaConf.missing_keys(config)


@examples(16, 150)
@given(st.lists(any_override, min_size=1, max_size=3))
def test_any_override_composes_or_is_answered(overrides):
    try:
        config = compose_config(overrides)
    except UserError as error:
        sentence = str(error)
        assert sentence.strip() and "Traceback" not in sentence
        assert len(sentence) < 4000
    else:
        OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
