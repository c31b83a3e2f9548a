"""What is typed after NAME= is what the setting gets, whatever characters a path or a name has."""

import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from pydantic import ValidationError

from oldrestore.config.build import locate
from oldrestore.config.compose import compose_config, override_config
from oldrestore.config.location import configuration_root
from oldrestore.config.overrides import TEXTS, readable, values_of
from oldrestore.config.schema import Root
from oldrestore.config.values import check_value
from oldrestore.config.yaml_file import read_yaml
from oldrestore.errors import UserError

HOME = str(Path.home())


def parsed(override: str, several: bool = False):
    """What Hydra makes of an override once it is read by our rule, which changes it once."""
    (text,) = readable([override], several=several)
    assert readable([text], several=several) == [text]
    (found,) = OverridesParser.create().parse_overrides([text])
    return found


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("/a/b=c", "/a/b=c"),
        ("/data/[1930]", "/data/[1930]"),
        ("/a/b#c", "/a/b#c"),
        ("photos(1)", "photos(1)"),
        ("/a/b, c", "/a/b, c"),
        ("/a;b&c!", "/a;b&c!"),
        ("/a/with space", "/a/with space"),
        ("'/a/b, c'", "/a/b, c"),
        (r"C:\photos", r"C:\photos"),
        ('"C:\\photos\\"', "C:\\photos\\"),
        ("C:\\[1]\\", "C:\\[1]\\"),
        ("O'Brien", "O'Brien"),
        ("'O'Brien'", "O'Brien"),
        (r"'O\'Brien'", "O'Brien"),
        ("a'b\"c\\'", "a'b\"c\\'"),
        ("李明", "李明"),
        ("/a\nb", "/a\nb"),
        ("2023", "2023"),
        ("1e3", "1e3"),
        ("true", "true"),
        ("null", None),
        ("'null'", "null"),
        ("range(1,3)", "range(1,3)"),
        ("~/photos", f"{HOME}/photos"),
        ("'~/photos #1'", f"{HOME}/photos #1"),
        ("/a/~b", "/a/~b"),
        ("~nobody-of-that-name/x", "~nobody-of-that-name/x"),
        ("${oc.env:HOME}/x", "${oc.env:HOME}/x"),
        ("${oc.env:HOME}/[x]", "${oc.env:HOME}/[x]"),
        (r"a\,b", "a,b"),  # Hydra's own way to escape
    ],
)
def test_a_path_is_what_was_typed(typed, value):
    assert parsed(f"dataset.root={typed}").value() == value


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("seed=3", 3),
        ("optimizer.learning_rate=1e-3", 0.001),
        ("trainer.deterministic=TRUE", True),
        ("loss.x=[1,2]", [1, 2]),
        ("loss.x={a:1,b:[c]}", {"a": 1, "b": ["c"]}),
        ("loss.x='1'", "1"),
        ("loss.x=null", None),
        ("seed=${trainer.batch_size}", "${trainer.batch_size}"),
        ("dataset=photos", "photos"),
        ("trainer.device=gpu:0", "gpu:0"),
        ("trainer.max_iterations=1#0", "1#0"),  # no number: the check says so
        ("experiments=O'Brien", "O'Brien"),
        ("experiment=2023", "2023"),
        ("run_id=007", "007"),
        ("experiment=~x", "~x"),  # a name is no path
        ("tracking.mlflow.tracking_uri=sqlite:////a=b;c", "sqlite:////a=b;c"),
    ],
)
def test_what_hydra_reads_keeps_its_meaning_and_all_else_is_text(override, value):
    assert parsed(override).value() == value


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("seed=0,1,2", ["0", "1", "2"]),
        ("seed=range(0,2)", ["0", "1"]),
        ("run_id=1,2", ["'1'", "'2'"]),
        ("dataset.root=/a#b,~/c,/d", ["'/a#b'", f"'{HOME}/c'", "/d"]),
        ('dataset.root="/a,b",/c', ['"/a,b"', "/c"]),
        ("dataset.root='/a,b',/c#", ["'/a,b'", "'/c#'"]),
        ("experiment=O'Brien,d'Arc", [r"'O\'Brien'", r"'d\'Arc'"]),
        ("loss.x=[1,2],[3#,4]", ["[1,2]", "'[3#'", "'4]'"]),
        ("loss.x=[1,2],a#b", ["[1,2]", "'a#b'"]),
    ],
)
def test_where_several_values_may_be_given_a_comma_separates_them(typed, values):
    assert list(parsed(typed, several=True).sweep_string_iterator()) == values


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "seed=0,1",
            "'seed=0,1' gives several values where one is taken: a list is written [a,b], and --multirun takes several",
        ),
        ("seed", "the override 'seed' cannot be read: write NAME=VALUE"),
        ("=3", "the override '=3' cannot be read: write NAME=VALUE"),
        (" seed=3", "the override ' seed=3' cannot be read: write NAME=VALUE"),
        ("dataset.root=", "dataset.root is empty: name a file or folder"),
        ("model.weights=''", "model.weights is empty: name a file or folder"),
        ("outputs=", "outputs is empty: name a file or folder"),
        (
            f"loss.x={'[' * 3000}{']' * 3000}",
            "an override holds lists or tables within each other too deeply to be read",
        ),
    ],
)
def test_what_is_no_override_is_said(override, sentence, refusal):
    assert refusal(readable, [override]) == sentence


def test_a_name_that_is_chosen_may_be_quoted():
    typed = ["seed=1", "sweeps='O\\'Brien'", "sweeps=seeds", "sweeps=李明"]
    assert values_of("sweeps", typed) == ["O'Brien", "seeds", "李明"]


def test_composed_and_changed_configurations_have_the_same_value():
    odd = "/p/[1930] a=b, c#(d)'e ü"
    config = compose_config(["dataset=image_folder", f"dataset.root={odd}", "experiment=李明", "run_id=2023"])
    assert (config.dataset.root, config.experiment, config.run_id) == (odd, "李明", "2023")
    assert override_config(config, [f"dataset.root={odd}x"]).dataset.root == f"{odd}x"


@pytest.mark.parametrize("name", ["O'Brien", "李明", "Zoë", "Zoe\u0308", "2023", "a.b-c_d", "हिन्दी"])
def test_names_of_any_script_name_an_experiment_and_a_run(name):
    config = compose_config([f"experiment={name}", f"run_id={name}"])
    assert (config.experiment, config.run_id) == (name, name)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("seed=1.5", "seed must be a valid integer, not 1.5"),
        (
            "outputs=${oc.env:OLDRESTORE_NOPE}",
            "outputs needs the environment variable OLDRESTORE_NOPE, which is not set: set it or write a value",
        ),
        ("outputs=${nope}", "outputs refers to ${nope}, and there is no setting of that name"),
        ("outputs=${model.weigths}", "outputs refers to ${model.weigths}, and there is no setting of that name"),
        ("seed=${seed}", "seed refers to itself: write a value"),
        ("outputs=${a", "outputs has a ${ that cannot be read: write ${NAME}, or ${oc.env:VARIABLE}"),
        ("outputs=${no:x}", "outputs cannot be resolved: Unsupported interpolation type no"),
        ("experiment=" + "李" * 80, f"experiment is too long for the name of a folder: shorten '{'李' * 40}...'"),
        ("experiment=null", "experiment must be text, not null"),
    ],
)
def test_values_that_mean_nothing_are_answered_in_one_sentence(override, sentence, refusal):
    assert refusal(compose_config, [override]) == sentence


def test_settings_that_refer_to_each_other_are_answered_in_one_sentence(refusal):
    each_other = ["seed=${trainer.max_iterations}", "trainer.max_iterations=${seed}"]
    assert refusal(compose_config, each_other) == "trainer.max_iterations refers to itself: write a value"
    assert refusal(override_config, compose_config([]), ["seed=${a"]).startswith("seed has a ${ that cannot be read")


def takes_any_text(annotation: object) -> bool:
    if str not in (annotation, *get_args(annotation)):
        return False  # a component, or a list of any
    try:
        check_value("a1", annotation, "x")
    except (UserError, ValidationError):
        return False
    return True


def annotations() -> Iterator[tuple[str, object]]:
    """Names and annotations of the arguments of everything that conf/ names, and of the settings of the root."""
    nodes = [OmegaConf.to_container(read_yaml(path)) for path in (configuration_root() / "conf").rglob("*.yaml")]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            nodes += node.values()
            if node.get("_target_", "").startswith("oldrestore."):
                for parameter in inspect.signature(locate(node["_target_"]), eval_str=True).parameters.values():
                    if parameter.kind is inspect.Parameter.KEYWORD_ONLY or parameter.name in node:
                        yield parameter.name, parameter.annotation
    for section in (Root, *(f.annotation for f in Root.model_fields.values() if inspect.isclass(f.annotation))):
        for name, field in getattr(section, "model_fields", {}).items():
            yield name, field.annotation if not field.metadata else field.rebuild_annotation()


def test_every_setting_that_takes_any_text_is_known_as_one():
    found = defaultdict(set)
    for name, annotation in annotations():
        if annotation is not inspect.Parameter.empty:
            found[name].add(takes_any_text(annotation))
    assert {name for name, kinds in found.items() if True in kinds} - TEXTS == set()
    # No number is ever taken for a text, and nothing is listed that is no setting.
    assert {name for name, kinds in found.items() if kinds == {False}} & TEXTS <= {"name", "experiment", "run_id"}
    assert TEXTS - set(found) == set()
