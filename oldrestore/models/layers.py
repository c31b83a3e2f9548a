"""What several networks have in common."""

from __future__ import annotations

from collections.abc import Iterable

from paddle import nn

HEAD_STD = 0.01


def initialise(network: nn.Layer, heads: Iterable[nn.Layer] = ()) -> None:
    """Draw a network's weights: as He et al. (2015) do before a ReLU, and heads near zero.

    With a classifying head near zero an untrained network finds every class equally likely, so that its cross-entropy
    is the logarithm of their number; with a regressing one it predicts gray.

    Convolutions, transposed convolutions and linear layers are drawn, in the order of ``sublayers``.

    References
    ----------
    He, Zhang, Ren, Sun. Delving Deep into Rectifiers. ICCV 2015.
    """
    he = nn.initializer.KaimingNormal(nonlinearity="relu")
    for layer in network.sublayers():
        if isinstance(layer, nn.Conv2D | nn.Conv2DTranspose | nn.Linear):
            he(layer.weight)
            if layer.bias is not None:
                nn.initializer.Constant(0.0)(layer.bias)
    for head in heads:
        nn.initializer.Normal(std=HEAD_STD)(head.weight)
