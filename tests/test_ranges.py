"""A range is said once, in the signature: a configuration and a call from Python refuse the same, in the same words."""

import copy
import functools
import inspect
import math
import pickle
import re
from pathlib import Path
from typing import get_type_hints

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch
from oldrestore.config.build import build, locate
from oldrestore.config.signature import check_component
from oldrestore.config.values import check_value, checked
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.damage.scratches import Scratches
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.errors import UserError
from oldrestore.losses.class_weights import Rebalance
from oldrestore.losses.classification import SoftCrossEntropy

CONF = Path(__file__).resolve().parents[1] / "conf"
ROOMS = ("losses", "models", "data", "training", "evaluation", "restoration")
TARGET = re.compile(rf"_target_: *(oldrestore\.(?:{'|'.join(ROOMS)})[\w.]+\w)")
COMPONENTS = sorted({target for path in CONF.rglob("*.yaml") for target in TARGET.findall(path.read_text("utf-8"))})
assert len(COMPONENTS) > 70
NOTHING_FITS = (math.nan, -1e9, "no such choice")

SOFT = "losses.classification.SoftCrossEntropy"
# Of a component, below oldrestore: an argument, a value that is wrong, and what is said of it.
TABLE = (
    ("losses.class_weights.Rebalance", "lambda_", 1.5, "must be less than or equal to 1, not 1.5"),
    ("losses.class_weights.Rebalance", "alpha", -1.0, "must be greater than or equal to 0, not -1.0"),
    ("losses.class_weights.Rebalance", "alpha", "1", "must be a float, not '1'"),
    ("losses.class_weights.Rebalance", "clamp", 0.5, "must be greater than 1, not 0.5"),
    ("losses.class_weights.Rebalance", "clamp", math.nan, "must be a finite number, not nan"),
    ("losses.class_weights.EffectiveNumber", "beta", 1.0, "must be less than 1, not 1.0"),
    (SOFT, "neighbours", 0, "must be greater than or equal to 1, not 0"),
    (SOFT, "neighbours", 314, "must be less than or equal to 313, not 314"),
    (SOFT, "sigma", 0.0, "must be greater than or equal to 0.01, not 0.0"),
    (SOFT, "gray_threshold", None, "must be a valid number, not null"),
    (SOFT, "focal_gamma", 21.0, "must be less than or equal to 20, not 21.0"),
    (SOFT, "logit_adjustment", True, "must be a float, not true"),
    (SOFT, "weighting", "both", "must be 'loss' or 'gradient', not 'both'"),
    (SOFT, "rebalance", 0.5, "must be an instance of Rebalance or an instance of EffectiveNumber, not 0.5"),
    ("losses.label_smoothing.UniformSmoothing", "share", 1.1, "must be less than or equal to 1, not 1.1"),
    ("losses.label_smoothing.NeighbourSmoothing", "neighbours", 313, "must be less than 313, not 313"),
    ("losses.label_smoothing.NeighbourSmoothing", "sigma", 0.0, "must be greater than 0, not 0.0"),
    ("losses.earth_mover.SquaredEarthMover", "sigma", math.inf, "must be a finite number, not inf"),
    ("losses.expected_distance.ExpectedAbDistance", "scale", 0.0, "must be greater than 0, not 0.0"),
    ("losses.colorfulness.Colorfulness", "gray_threshold", -1.0, "must be greater than or equal to 0, not -1.0"),
    ("losses.dispersion.MseDispersion", "denominator", "sum", "must be 'n_sum' or 'mean', not 'sum'"),
    ("losses.dispersion.MseDispersion", "epsilon", 0.0, "must be greater than 0, not 0.0"),
    ("losses.grid_classification.GridCrossEntropy", "gray_threshold", -1, "must be greater than or equal to 0, not -1"),
    ("losses.histogram.HueChromaDivergence", "window", 4, "must be an odd number of pixels, not 4"),
    ("losses.histogram.HueChromaDivergence", "window", 65, "must be less than or equal to 63, not 65"),
    ("losses.histogram.HueChromaDivergence", "lambda_hue", -1.0, "must be greater than or equal to 0, not -1.0"),
    ("losses.perceptual.Perceptual", "distance", "l3", "must be 'l1' or 'l2', not 'l3'"),
    ("losses.regression.L1", "annealed_mean", 2.1, "must be less than or equal to 2, not 2.1"),
    ("losses.regression.L1", "annealed_mean", 0.0, "must be greater than 0, not 0.0"),
    ("losses.regression.SmoothL1", "delta", 0.0, "must be greater than 0, not 0.0"),
    ("losses.smoothness.TotalVariation", "scale", 0.0, "must be greater than 0, not 0.0"),
    ("losses.smoothness.ChromaEdge", "edge_range", 0.0, "must be greater than 0, not 0.0"),
    ("losses.weight_schedule.Linear", "start", -1.0, "must be greater than or equal to 0, not -1.0"),
    ("losses.adversarial.Wasserstein", "gradient_penalty", -1, "must be greater than or equal to 0, not -1"),
    ("models.eccv16.Eccv16", "width", 5, "must be less than or equal to 4, not 5"),
    ("models.siggraph17.Siggraph17", "stage", "half", "must be 'full' or 'classification', not 'half'"),
    ("models.patch_discriminator.PatchDiscriminator", "attention_scale", 3, "must be 2, 4 or 8, not 3"),
    ("data.cropping.crops.Crops", "crop", 0, "must be greater than or equal to 1, not 0"),
    ("data.cropping.crops.Crops", "fit", "stretch", "must be 'shorter_side' or 'squash', not 'stretch'"),
    ("data.cropping.grid_crops.GridCrops", "variants", 0, "must be greater than or equal to 1, not 0"),
    ("data.cropping.grid_crops.GridCrops", "smallest", 0.0, "must be greater than 0, not 0.0"),
    ("data.inputs.hints.Hints", "p", 0.0, "must be greater than 0, not 0.0"),
    ("data.inputs.hints.Hints", "full", 1.5, "must be less than or equal to 1, not 1.5"),
    ("data.inputs.hints.Hints", "smallest", 0, "must be greater than or equal to 1, not 0"),
    ("data.sources.photos.Photos", "validation_fraction", 1.5, "must be less than or equal to 1, not 1.5"),
    # More would hold out photographs on which composites were made.
    ("data.sources.photos_wide.PhotosWide", "validation_fraction", 0.3, "must be less than or equal to 0.2, not 0.3"),
    ("data.damage.scratches.Scratches", "severity", 1.5, "must be less than or equal to 1, not 1.5"),
    ("data.damage.chain.DamageChain", "chance", -1, "must be greater than or equal to 0, not -1"),
    ("data.inputs.damaged.DamagedPhotos", "highest", 2, "must be less than or equal to 1, not 2"),
    ("training.schedules.Cosine", "iterations", 0, "must be greater than or equal to 1, not 0"),
    ("training.supervised.SupervisedLearner", "accumulate", 0, "must be greater than or equal to 1, not 0"),
    ("training.supervised.SupervisedLearner", "amp", "half", "must be 'off', 'float16' or 'bfloat16', not 'half'"),
    ("evaluation.detection.DamageDetection", "threshold", 1, "must be less than 1, not 1"),
    ("restoration.detect.classical.ClassicalDetector", "threshold", 0.0, "must be greater than 0, not 0.0"),
    ("restoration.fill.opencv.OpenCV", "method", "magic", "must be 'telea' or 'navier_stokes', not 'magic'"),
)


@pytest.fixture
def refusals(refusal):
    """What a call from Python says of a value, and what a configuration does, each after the component's name."""

    def both(target: str, name: str, value: object) -> tuple[str, str]:
        component = locate(target)
        called = refusal(component, **{name: value}).removeprefix(component.__name__)
        return called, refusal(check_component, {"_target_": target, name: value}, "node").removeprefix("node")

    return both


@pytest.mark.parametrize(("component", "name", "value", "rule"), TABLE)
def test_a_value_out_of_range_is_refused(component, name, value, rule, refusals):
    assert refusals(f"oldrestore.{component}", name, value) == (f".{name} {rule}", f".{name} {rule}")


def fits(value: object, annotation: object) -> bool:
    try:
        check_value(value, annotation, "")
    except UserError:
        return False
    return True


@pytest.mark.parametrize("target", COMPONENTS)
def test_every_component_checks_each_of_its_arguments_when_it_is_called(target, refusals):
    component = locate(target)
    hints = get_type_hints(component.__init__ if inspect.isclass(component) else component, include_extras=True)
    for name in inspect.signature(component).parameters.keys() & hints.keys():
        for value in NOTHING_FITS:
            if not fits(value, hints[name]):
                called, configured = refusals(target, name, value)
                assert called == configured


def test_arguments_reach_a_constructor_as_they_are():
    received = {}

    class Component:
        @checked
        def __init__(self, numbers: list[float], layer: paddle.nn.Layer, make: object, named: dict, text: str = "x"):
            received.update(numbers=numbers, layer=layer, make=make, named=named)

    given = {"numbers": [1, 2], "layer": paddle.nn.Linear(1, 1), "make": functools.partial(int), "named": {1: Batch}}
    Component(**given)
    assert all(received[name] is value for name, value in given.items())
    assert list(inspect.signature(Component).parameters) == ["numbers", "layer", "make", "named", "text"]


def test_numbers_of_numpy_and_paths_are_what_they_stand_for():
    crops = Crops(np.int64(8), np.int32(4))
    assert ImageFolder(crops, root=Path("there"), validation_fraction=np.float32(0.5)).name
    with pytest.raises(UserError, match=r"^Crops\.crop must be greater than or equal to 1, not 0$"):
        Crops(8, np.int64(0))


def test_an_object_of_another_class_is_refused_by_its_class():
    with pytest.raises(UserError, match=r"^SoftCrossEntropy\.smoothing must be .*, not an instance of Rebalance$"):
        SoftCrossEntropy(smoothing=Rebalance())


def test_a_severity_is_checked_where_it_is_changed_too():
    with pytest.raises(UserError, match=r"^Scratches\.severity must be less than or equal to 1, not 1\.2$"):
        Scratches().at(1.2)


def test_what_is_missing_or_unknown_is_a_type_error_in_pythons_words():
    with pytest.raises(TypeError, match=r"Crops\.__init__\(\) missing 1 required positional argument: 'crop'"):
        Crops(8)
    with pytest.raises(TypeError, match=r"Crops\.__init__\(\) got an unexpected keyword argument 'width'"):
        Crops(8, 4, width=1)


def test_checked_components_are_pickled_and_built_in_parts():
    node = {"_target_": "oldrestore.losses.class_weights.Rebalance", "lambda_": 0.25}
    copied = copy.deepcopy(build(node)), pickle.loads(pickle.dumps(build(node)))  # noqa: S301
    assert {repr(each) for each in copied} == {repr(build({**node, "_partial_": True})())}
    with pytest.raises(UserError, match=r"^Rebalance\.alpha must be less than or equal to 10, not 11$"):
        build({**node, "_partial_": True})(alpha=11)
