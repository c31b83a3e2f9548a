"""The adversarial learner: a network against a discriminator, each with its own optimizer and time scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import paddle
from paddle import nn
from pydantic import Field

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.adversarial import AdversarialLoss, gradient_penalty
from oldrestore.losses.base import Loss
from oldrestore.losses.restoration import feature_matching
from oldrestore.models.attention import SelfAttention
from oldrestore.training.checkpoint import Checkpoint
from oldrestore.training.learner import Amp, Count, Decay, Learner, Means
from oldrestore.training.optimizer import ScaledOptimizer, frozen
from oldrestore.training.schedules import Schedule
from oldrestore.training.synchronised_norm import synchronise_batch_norm

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PENALTY_STREAM = 3  # seeds of the gradient penalty's mixtures begin with this
Scalars = dict[str, paddle.Tensor]


class AdversarialLearner(Learner):
    """Trains a network on a loss and against a discriminator, after a phase on the loss alone.

    The network minimises loss + adversarial_weight x adversarial term + feature_weight x matched features of the
    discriminator. Learning rates of the two differ (Heusel et al. 2017, two time scales): the network's is that of
    the ``optimizer`` group, the discriminator's its own; `schedule` multiplies both.

    Curves of a step: ``loss`` and the loss's terms; ``g_adversarial`` and ``g_feature`` (unweighted), ``d_loss``,
    ``d_real`` and ``d_fake`` (mean scores), once the discriminator takes part; ``g_gradient_norm`` and
    ``d_gradient_norm`` before clipping, and of each block if asked for; and ``gamma_g_NAME`` and ``gamma_d_NAME`` of
    each attention block. Validation leaves the discriminator out, whose value over time means nothing.

    See `Learner` for the parameters of every learner; `gradient_clip` holds for both networks.

    Parameters
    ----------
    discriminator : nn.Layer
        Such as `oldrestore.models.patch_discriminator.PatchDiscriminator`: called, it gives ``scores`` and
        ``features``; ``judges`` names the field of a prediction, ``shown_fake`` and ``shown_real`` put it beside its
        condition.
    pretrain_iterations : int
        Iterations on the loss alone, before the discriminator takes part.
    discriminator_steps, generator_steps : int
        Updates of each in an iteration; each round takes batches of its own.
    accumulate_batches : int
        Batches whose gradients are averaged into one update.
    """

    @checked
    def __init__(
        self,
        network: nn.Layer,
        loss: Loss,
        optimizer: Callable[..., Any],
        discriminator: nn.Layer,
        discriminator_optimizer: Callable[..., Any],
        adversarial: AdversarialLoss,
        schedule: Schedule | None = None,
        pretrain_iterations: Annotated[int, Field(ge=0)] = 0,
        adversarial_weight: NotNegative = 0.01,
        feature_weight: NotNegative = 0.0,
        discriminator_steps: Count = 1,
        generator_steps: Count = 1,
        gradient_clip: NotNegative = 0.0,
        accumulate_batches: Count = 1,
        amp: Amp = "off",
        ema_decay: Decay = 0.0,
    ) -> None:
        super().__init__(network, loss, optimizer, schedule, gradient_clip, amp, ema_decay)
        if discriminator.judges not in network.predicts:
            raise UserError(
                f"the discriminator judges {discriminator.judges} but {type(network).__name__} predicts "
                f"{' and '.join(sorted(network.predicts))}: set trainer.learner.discriminator.judges"
            )
        synchronise_batch_norm(discriminator)
        self.discriminator = discriminator
        self.adversarial = adversarial
        self.pretrain_iterations = pretrain_iterations
        self.adversarial_weight = adversarial_weight
        self.feature_weight = feature_weight
        self.discriminator_steps = discriminator_steps
        self.generator_steps = generator_steps
        self.accumulate_batches = accumulate_batches
        self.accumulate = accumulate_batches * max(discriminator_steps, generator_steps)
        self._critic = ScaledOptimizer(discriminator, discriminator_optimizer, gradient_clip, amp, "discriminator_")
        self._gammas = {
            f"gamma_{side}_{name}": block.gamma
            for side, whole in (("g", network), ("d", discriminator))
            for name, block in whole.named_sublayers()
            if isinstance(block, SelfAttention)
        }

    def step(
        self, batches: Sequence[Batch], iteration: int, measure_gradients: bool = False
    ) -> Mapping[str, paddle.Tensor]:
        """Make the updates of one iteration, the discriminator's first; return scalars averaged over batches."""
        with parallel.together():
            return parallel.means(self._updates(batches, iteration, measure_gradients))

    def _updates(self, batches: Sequence[Batch], iteration: int, blocks: bool) -> Scalars:
        self.network.train()
        self.discriminator.train()
        self.loss.at(iteration)
        factor = self.schedule(iteration)
        against = iteration >= self.pretrain_iterations
        sums: dict[str, list[paddle.Tensor]] = {}
        for number in range(max(self.discriminator_steps, self.generator_steps)):
            chunk = batches[number * self.accumulate_batches : (number + 1) * self.accumulate_batches]
            generator_due = number < self.generator_steps
            # With one batch, a single forward pass serves both updates; the graphs of several would not fit in memory.
            shared = self._predict(chunk[0]) if generator_due and len(chunk) == 1 else None
            updates: list[Scalars] = []
            if against and number < self.discriminator_steps:
                seed = [PENALTY_STREAM, iteration, number]
                scalars = self._discriminator_gradients(chunk, shared, seed)
                norms = self._critic.update(factor, measured=True, blocks=blocks)
                updates.append(scalars | {f"d_{name}": norm for name, norm in norms.items()})
            if generator_due:
                scalars = self._generator_gradients(chunk, shared, against)
                norms = self.optimizer.update(factor, measured=True, blocks=blocks)
                updates.append(scalars | {f"g_{name}": norm for name, norm in norms.items()})
            for scalars in updates:
                for name, value in scalars.items():
                    sums.setdefault(name, []).append(value)
        if self.average is not None:
            self.average.update()
        means = {name: sum(values) / len(values) for name, values in sums.items()}
        return means | {name: gamma.detach().clone().reshape([]) for name, gamma in self._gammas.items()}

    def _predict(self, batch: Batch) -> Prediction:
        with self.mixed():
            return self.predict(batch)

    def _discriminator_gradients(
        self, chunk: Sequence[Batch], shared: Prediction | None, seed: Sequence[int]
    ) -> Scalars:
        means = Means(len(chunk))
        rng = np.random.default_rng(list(seed))
        for batch in chunk:
            with paddle.no_grad():
                prediction = shared or self._predict(batch)
                fake = self.discriminator.shown_fake(prediction, batch).detach().astype("float32")
                real = self.discriminator.shown_real(prediction, batch).detach().astype("float32")
            with self.mixed():
                # Together, so that spectral norm takes one power iteration a step, not two.
                scores = self.discriminator(paddle.concat([real, fake])).scores
            real_scores, fake_scores = scores.split(2)
            loss = self.adversarial.discriminator(real_scores, fake_scores)
            if self.adversarial.gradient_penalty > 0:
                loss = loss + self.adversarial.gradient_penalty * self._gradient_penalty(real, fake, rng)
            self._critic.backward(loss / len(chunk))
            means.add(d_loss=loss, d_real=real_scores.mean(), d_fake=fake_scores.mean())
        return means.values

    def _gradient_penalty(self, real: paddle.Tensor, fake: paddle.Tensor, rng: np.random.Generator) -> paddle.Tensor:
        # Drawn for the whole batch, of which this may be a part.
        whole = real.shape[0] * parallel.parts()
        share = paddle.to_tensor(rng.random((whole, 1, 1, 1), dtype=np.float32)[parallel.own_part(whole)])
        try:
            return gradient_penalty(lambda shown: self.discriminator(shown).scores, real, fake, share)
        except (RuntimeError, ValueError) as error:
            raise UserError(
                "Paddle cannot differentiate this discriminator twice, which the gradient penalty needs: take "
                "trainer.learner.discriminator.attention_scale=null, or "
                f"trainer.learner.adversarial.gradient_penalty=0 ({str(error).strip().splitlines()[-1]})"
            ) from error

    def _generator_gradients(self, chunk: Sequence[Batch], shared: Prediction | None, against: bool) -> Scalars:
        means = Means(len(chunk))
        with frozen(self.discriminator):
            for batch in chunk:
                with self.mixed():
                    prediction = shared or self.predict(batch)
                    terms = dict(self.loss.terms(prediction, batch))
                    if against:
                        self._add_adversarial(terms, prediction, batch)
                self.optimizer.backward(terms["loss"] / len(chunk))
                means.add(**terms)
        return means.values

    def _add_adversarial(self, terms: Scalars, prediction: Prediction, batch: Batch) -> None:
        fake = self.discriminator(self.discriminator.shown_fake(prediction, batch))
        terms["g_adversarial"] = self.adversarial.generator(fake.scores)
        terms["loss"] = terms["loss"] + self.adversarial_weight * terms["g_adversarial"]
        if self.feature_weight:
            with paddle.no_grad():
                real = self.discriminator(self.discriminator.shown_real(prediction, batch))
            terms["g_feature"] = feature_matching(fake.features, real.features)
            terms["loss"] = terms["loss"] + self.feature_weight * terms["g_feature"]

    def checkpoint(self) -> Checkpoint:
        """Return the state of both networks, power-iteration vectors included."""
        checkpoint = super().checkpoint()
        theirs = {f"discriminator.{name}": value.numpy() for name, value in self.discriminator.state_dict().items()}
        checkpoint.tensors.update(theirs | self._critic.tensors())
        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """Resume from a checkpoint of the same configuration."""
        super().restore(checkpoint)
        for name, value in self.discriminator.state_dict().items():
            value.set_value(checkpoint.tensors[f"discriminator.{name}"])
        self._critic.load(checkpoint.tensors)
