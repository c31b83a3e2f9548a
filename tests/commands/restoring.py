"""Photographs to be restored, and the command line that restores them."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from oldrestore.cli import main
from oldrestore.models.weights import WeightsHeader, save_weights
from tests.generated_photographs import make_photograph

WIDTH = 0.0625
NO_DETECTOR = "restore/detect=none"


def save_network(network, path, model, **settings):
    save_weights(
        path, {name: value.numpy() for name, value in network.state_dict().items()}, WeightsHeader(model, settings)
    )
    return path


def restore(capsys, *arguments):
    code = main(["restore", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else None, captured.err


def gray(seed, height=72, width=104):
    return np.repeat(make_photograph(seed, max(height, width))[:height, :width, 1:2], 3, axis=-1)


def scratched(seed):
    rgb = np.clip(make_photograph(seed, 96), 20, 230)
    mask = np.zeros(rgb.shape[:2], bool)
    mask[40:42, 10:80] = True
    damaged = rgb.copy()
    damaged[mask] = 255
    return rgb, damaged, mask


def save_mask(mask, path):
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return path
