"""Configurations of earlier versions name classes that have moved since: they are found, and count as the same."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from safetensors.numpy import save_file

from oldrestore.config.aliases import MOVED, current_target, with_current_targets, with_first_targets
from oldrestore.config.build import build, locate
from oldrestore.evaluation.protocol import Protocol
from oldrestore.models.weights_header import WEIGHTS_FORMAT, WeightsHeader, read_header

FIXTURE = Path(__file__).parents[1] / "records" / "version_0_1"
# Every ``_target_`` of conf/, experiments/ and sweeps/ as version 0.1 had them, by package; added to, never changed.
EARLIER = {
    "oldrestore.data": """
        crops.Crops detection_inputs.DetectionInputs grid_crops.GridCrops hints.Hints hole_inputs.Holes
        image_folder.ImageFolder inputs.Colors labelled_photos.LabelledPhotos listed_photos.ListedPhotos
        photos.Photos photos_plus.PhotosPlus photos_wide.PhotosWide sparse_positions.SparsePositions
    """,
    "oldrestore.data.damage": """
        blur.Blur chain.DamageChain creases.Creases dust.Dust fading.ContrastLoss fading.Fading grain.Grain
        grain.Noise holes.Holes inputs.DamagedPhotos jpeg.Jpeg scratches.Scratches stains.Foxing stains.Stains
        tears.Tears toning.ColorCast toning.Sepia
    """,
    "oldrestore.evaluation": """
        detection.DamageDetection hints.HintCurve holes.HoleFilling judge.EfficientNetLite
        restoration.RestorationStages set_measures.SetMeasures vgg16.Vgg16
    """,
    "oldrestore.losses": """
        adversarial.Hinge adversarial.LeastSquares adversarial.Vanilla adversarial.Wasserstein
        class_weights.EffectiveNumber classification.Rebalance classification.SoftCrossEntropy
        colorfulness.Colorfulness composite.Composite detection.DamageMask dispersion.MseDispersion
        earth_mover.SquaredEarthMover expected_distance.ExpectedAbDistance grid_classification.GridCrossEntropy
        histogram.HueChromaDivergence label_smoothing.NeighbourSmoothing label_smoothing.UniformSmoothing
        perceptual.Lpips perceptual.Perceptual regression.L1 regression.L2 regression.SmoothL1
        restoration.KnownUnknownL1 smoothness.ChromaEdge smoothness.TotalVariation weight_schedule.Linear
    """,
    "oldrestore.models": """
        damage_unet.DamageUnet eccv16.Eccv16 features.pretrained_features larsson.Larsson lite_unet.LiteUnet
        lpips.LpipsNetwork patch_discriminator.PatchDiscriminator resnet.ResNet sagan.SaganColorizer
        sagan.SaganRestorer siggraph17.Siggraph17
    """,
    "oldrestore.restoration": "with_network.split_with_network",
    "oldrestore.restoration.detect": "classical.ClassicalDetector learned.LearnedDetector mask_file.MaskFile",
    "oldrestore.restoration.enhance": "contrast.LocalContrast denoise.Denoise levels.Levels network.NetworkEnhancer",
    "oldrestore.restoration.fill": """
        biharmonic.Biharmonic harmonic.Harmonic network.NetworkFiller opencv.OpenCV split.Split
    """,
    "oldrestore.tracking": "mlflow_sink.MLflowSink visualdl_sink.VisualDLSink",
    "oldrestore.training": """
        adversarial.AdversarialLearner cached_encoder.CachedEncoderLearner schedules.Constant schedules.Cosine
        schedules.Step supervised.SupervisedLearner
    """,
    "paddle": "optimizer.Adam optimizer.AdamW optimizer.Momentum",
}
TARGETS = [f"{package}.{name}" for package, names in EARLIER.items() for name in names.split()]


def targets_in(node) -> set[str]:
    if isinstance(node, dict):
        own = {node["_target_"]} if "_target_" in node else set()
        return own.union(*map(targets_in, node.values()))
    return set().union(*map(targets_in, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("before", MOVED)
def test_a_row_leads_to_a_class_that_exists_in_one_step(before):
    now = MOVED[before]
    assert now not in MOVED
    assert locate(before) is locate(now)
    assert f"{locate(now).__module__}.{locate(now).__name__}" == now


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_of_an_earlier_version_is_found(target):
    assert locate(target).__module__.startswith(target.partition(".")[0])


def test_every_target_of_logged_runs_is_found():
    configs = [OmegaConf.to_container(OmegaConf.load(path)) for path in FIXTURE.rglob("config.yaml")]
    found = set().union(*map(targets_in, configs))
    assert "oldrestore.data.image_folder.ImageFolder" in found
    for target in found:
        assert locate(target).__name__


def test_a_node_is_built_by_its_path_before_at_any_depth():
    node = {
        "_target_": "oldrestore.data.image_folder.ImageFolder",
        "crops": {"_target_": "oldrestore.data.crops.Crops", "size": 64, "crop": 32},
        "root": "there",
    }
    source = build(node)
    assert type(source).__module__ == "oldrestore.data.sources.image_folder"
    assert (source.crops.size, source.crops.crop) == (64, 32)


def test_only_targets_are_renamed_nested_and_flat():
    before, now = "oldrestore.data.inputs.Colors", "oldrestore.data.inputs.colors.Colors"
    node = {"a": [{"_target_": before, "note": before}], "b._target_": before, "c": {"_target_": ["no text"]}}
    renamed = {"a": [{"_target_": now, "note": before}], "b._target_": now, "c": {"_target_": ["no text"]}}
    assert with_current_targets(node) == renamed
    assert with_first_targets(renamed) == node
    assert current_target("oldrestore.models.eccv16.Eccv16") == "oldrestore.models.eccv16.Eccv16"


def test_a_protocol_keeps_its_hash_when_a_class_moves():
    before, now = next(iter(MOVED.items()))
    hashes = {Protocol("p", 1, {"evaluation.judged._target_": target, "n": 3}).hash for target in (before, now)}
    assert len(hashes) == 1


def test_the_header_of_a_weights_file_names_the_classes_of_today(tmp_path):
    written = WeightsHeader("eccv16", {"width": 0.5}, trained={"inputs": {"_target_": "oldrestore.data.inputs.Colors"}})
    metadata = {"format": WEIGHTS_FORMAT, **written.to_metadata()}
    save_file({"w": np.zeros(2, np.float32)}, tmp_path / "file.safetensors", metadata)
    header = read_header(tmp_path / "file.safetensors")
    assert header.trained == {"inputs": {"_target_": "oldrestore.data.inputs.colors.Colors"}}
    assert (header.model, header.settings) == ("eccv16", {"width": 0.5})
