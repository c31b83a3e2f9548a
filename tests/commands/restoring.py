"""Photographs to be restored, and what is looked at afterwards."""

import numpy as np
from PIL import Image

from oldrestore.models.weights import WeightsHeader, save_weights
from tests.generated_photographs import make_photograph
from tests.restoration.detect import pictures

WIDTH = 0.0625
NO_DETECTOR = "restore/detect=none"


def save_network(network, path, model, **settings):
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    save_weights(path, tensors, WeightsHeader(model, settings))
    network.eval()
    return path


def opened(path):
    return np.asarray(Image.open(path))


def gray(seed, height=72, width=104):
    return np.repeat(make_photograph(seed, max(height, width))[:height, :width, 1:2], 3, axis=-1)


def scratched(seed):
    rgb = np.clip(make_photograph(seed, 96), 20, 230)
    return rgb, *pictures.scratched(rgb, level=255, row=40)


def save_mask(mask, path):
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return path


def pictures_in_panel(path, count, height=72, width=104):
    """The pictures of a panel of one row, in their order."""
    panel = opened(path).astype(int)
    gap = (panel.shape[1] - count * width) // (count + 1)
    top = panel.shape[0] - gap - height
    lefts = [gap + column * (width + gap) for column in range(count)]
    return [panel[top : top + height, left : left + width] for left in lefts]
