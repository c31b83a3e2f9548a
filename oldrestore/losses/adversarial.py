"""Adversarial losses: what a discriminator and a generator each minimise, given the discriminator's scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import paddle
from paddle import nn

from oldrestore.config.values import checked
from oldrestore.losses.base import NotNegative


@runtime_checkable
class AdversarialLoss(Protocol):
    """A game between two networks; scores have any shape, higher is more real."""

    gradient_penalty: float = 0.0  # weight of `gradient_penalty` in what the discriminator minimises; 0 is none

    def discriminator(self, real: paddle.Tensor, fake: paddle.Tensor) -> paddle.Tensor:
        """Return what the discriminator minimises, a scalar."""

    def generator(self, fake: paddle.Tensor) -> paddle.Tensor:
        """Return what the generator minimises, a scalar."""


class Hinge(AdversarialLoss):
    """D: mean max(0, 1 - real) + mean max(0, 1 + fake). G: -mean fake.

    Lim and Ye, *Geometric GAN* (2017); the loss of SAGAN (Zhang et al. 2019, equation 4). Scores of 0 cost the
    discriminator 2.
    """

    def discriminator(self, real: paddle.Tensor, fake: paddle.Tensor) -> paddle.Tensor:
        """Loss of the discriminator."""
        return nn.functional.relu(1.0 - real).mean() + nn.functional.relu(1.0 + fake).mean()

    def generator(self, fake: paddle.Tensor) -> paddle.Tensor:
        """Loss of the generator."""
        return -fake.mean()


class Vanilla(AdversarialLoss):
    """Binary cross-entropy on scores as logits; the generator's form is the one that does not saturate.

    Goodfellow et al., *Generative Adversarial Nets* (2014), section 3. Scores of 0 cost the discriminator 2 ln 2.
    """

    def discriminator(self, real: paddle.Tensor, fake: paddle.Tensor) -> paddle.Tensor:
        """Loss of the discriminator."""
        return nn.functional.softplus(-real).mean() + nn.functional.softplus(fake).mean()

    def generator(self, fake: paddle.Tensor) -> paddle.Tensor:
        """Loss of the generator."""
        return nn.functional.softplus(-fake).mean()


class LeastSquares(AdversarialLoss):
    """D: (mean (real - 1)^2 + mean fake^2) / 2. G: mean (fake - 1)^2 / 2.

    Mao et al., *Least Squares Generative Adversarial Networks* (2017), equation 9.
    """

    def discriminator(self, real: paddle.Tensor, fake: paddle.Tensor) -> paddle.Tensor:
        """Loss of the discriminator."""
        return 0.5 * ((real - 1.0) ** 2).mean() + 0.5 * (fake**2).mean()

    def generator(self, fake: paddle.Tensor) -> paddle.Tensor:
        """Loss of the generator."""
        return 0.5 * ((fake - 1.0) ** 2).mean()


class Wasserstein(AdversarialLoss):
    """D: mean fake - mean real + weight * `gradient_penalty`. G: -mean fake.

    Gulrajani et al., *Improved Training of Wasserstein GANs* (2017), with a weight of 10. The penalty differentiates
    twice, which Paddle cannot through self-attention (softmax, max-pooling): give such a discriminator no attention.
    """

    @checked
    def __init__(self, gradient_penalty: NotNegative = 10.0) -> None:
        self.gradient_penalty = gradient_penalty

    def discriminator(self, real: paddle.Tensor, fake: paddle.Tensor) -> paddle.Tensor:
        """Loss of the discriminator, without the penalty."""
        return fake.mean() - real.mean()

    def generator(self, fake: paddle.Tensor) -> paddle.Tensor:
        """Loss of the generator."""
        return -fake.mean()


def gradient_penalty(
    score: Callable[[paddle.Tensor], paddle.Tensor],
    real: paddle.Tensor,
    fake: paddle.Tensor,
    share: paddle.Tensor,
) -> paddle.Tensor:
    """Mean over the batch of (norm of the gradient of the score - 1)^2, between real and fake.

    Gulrajani et al. (2017), equation 3. A photograph's score is the mean of its patches' scores.

    `score` maps photographs (B, C, H, W) to scores (B, ...). `share` (B, 1, 1, 1), 0..1, is how much of the real one is
    in the mixture of `real` and `fake`, to which no gradients flow.
    """
    mixed = (share * real + (1.0 - share) * fake).detach()
    mixed.stop_gradient = False
    # Reshaped, not flattened: Paddle cannot differentiate `flatten` twice.
    scores = score(mixed).reshape([mixed.shape[0], -1]).mean(axis=1)
    (slope,) = paddle.grad(scores.sum(), mixed, create_graph=True)
    # Without the small number the root's own slope at 0 would be infinite.
    norm = paddle.sqrt((slope**2).sum(axis=[1, 2, 3]) + 1e-12)
    return ((norm - 1.0) ** 2).mean()
