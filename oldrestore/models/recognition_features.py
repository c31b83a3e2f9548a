"""What every recognition network is that measures photographs by its features: frozen, named, with a fingerprint."""

from __future__ import annotations

import paddle
from paddle import nn

from oldrestore.errors import UserError


class RecognitionFeatures(nn.Layer):
    """A recognition network as a fixed measure of photographs: no gradient reaches its weights.

    A subclass implements ``maps``.

    Attributes
    ----------
    recognizer : str
        Name of the network, as the judges of `oldrestore.evaluation` are named.
    fingerprint : str
        sha256 (hex) of its weights file, as judges have it.
    layers : int
        How many feature maps it gives.
    smallest : int
        Smallest side of a photograph, pixels.
    """

    recognizer: str
    fingerprint: str
    layers: int
    smallest: int = 1

    def freeze(self) -> None:
        """Take the weights out of training, for good; called once they are loaded."""
        for parameter in self.parameters():
            parameter.stop_gradient = True
        self.eval()

    def forward(self, rgb_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Features of sRGB photographs.

        Parameters
        ----------
        rgb_b3hw : paddle.Tensor
            float32, 0..1, through which gradients flow.

        Returns
        -------
        list of paddle.Tensor
            float32 (B, C, h, w), finest first.
        """
        height, width = rgb_b3hw.shape[-2:]
        if min(height, width) < self.smallest:
            raise UserError(
                f"{self.recognizer} needs photographs of at least {self.smallest} x {self.smallest} pixels, not "
                f"{height} x {width}: take larger crops"
            )
        # Whoever holds it may put all its layers into training mode, where batch norm would learn.
        if any(layer.training for layer in self.sublayers()):
            self.eval()
        return self.maps(rgb_b3hw)

    def maps(self, rgb_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Features of sRGB photographs of a size that will do."""
        raise NotImplementedError
