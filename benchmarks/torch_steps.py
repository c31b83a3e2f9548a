"""Training steps of `torch_networks` in PyTorch: what `training_step.py` compares with.

    PYTHON benchmarks/torch_steps.py NETWORK WIDTH SIDE BATCH FORM

PYTHON is one that has torch; nothing else is needed. FORM is ``contiguous``, ``channels_last`` or ``compiled`` (by
`torch.compile`, channels last). Inputs and targets are ready made. A line on the standard input asks for one more
timing (`pairs.serve`).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable

import torch
import torch_networks
from pairs import serve, steady
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def adam(
    parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float], decay: float = 0.0
) -> torch.optim.Adam:
    """PyTorch's fastest Adam on a CPU."""
    return torch.optim.Adam(parameters, rate, betas, weight_decay=decay, fused=True)


class Steps:
    """Steps of one network, by its name; each takes the number of photographs and their side."""

    def __init__(self, width: float, form: str) -> None:
        self.width, self.form = width, form

    def network(self, name: str, evaluated: bool = False) -> nn.Module:
        """Make a network in the form that is measured."""
        made = torch_networks.network(name, self.width, self.form != "contiguous")
        if evaluated:
            made = made.eval().requires_grad_(False)
        return torch.compile(made) if self.form == "compiled" else made

    def made(self, *shape: int) -> torch.Tensor:
        """Numbers of 0..1."""
        x = torch.rand(*shape)
        return x if self.form == "contiguous" else x.to(memory_format=torch.channels_last)

    def updating(self, network: nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
        """Make a step: a loss, its gradient, and Adam as in conf/optimizer/adam.yaml."""
        optimizer = adam((p for p in network.parameters() if p.requires_grad), 3e-5, (0.9, 0.99), 1e-3)

        def step() -> None:
            value = loss()
            value.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            value.item()

        return step

    def eccv16(self, batch: int, side: int) -> Callable[[], None]:
        """Cross-entropy with soft targets of 313 bins."""
        network, L = self.network("eccv16"), self.made(batch, 1, side, side) * 100.0
        targets = self.made(batch, 313, side // 4, side // 4).softmax(1)
        return self.updating(network, lambda: -(targets * network(L).log_softmax(1)).sum(1).mean())

    def siggraph17(self, batch: int, side: int) -> Callable[[], None]:
        """Cross-entropy of the class head, and ten times the smooth L1 of ab."""
        network, L = self.network("siggraph17"), self.made(batch, 1, side, side) * 100.0
        hints, truth = self.made(batch, 3, side, side), self.made(batch, 2, side, side)
        classes = torch.randint(529, (batch, side // 4, side // 4))

        def loss() -> torch.Tensor:
            ab, logits = network(L, hints)
            regression = functional.smooth_l1_loss(ab / 110.0, truth, beta=1.0 / 110.0)
            return functional.cross_entropy(logits, classes) + 10.0 * regression

        return self.updating(network, loss)

    def sagan_restore(self, batch: int, side: int) -> Callable[[], None]:
        """Update the discriminator by the hinge loss, then the restorer, then its moving average."""
        restorer, discriminator = self.network("sagan_restore"), self.network("discriminator")
        of_restorer = adam(restorer.parameters(), 1e-4, (0.0, 0.9))
        of_discriminator = adam(discriminator.parameters(), 4e-4, (0.0, 0.9))
        average = AveragedModel(restorer, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        filled, truth = self.made(batch, 3, side, side), self.made(batch, 3, side, side)
        hole = (self.made(batch, 1, side, side) < 0.25).float()
        twice = torch.cat([hole, hole])

        def step() -> None:
            painted = restorer(filled, hole)
            real, fake = discriminator(torch.cat([truth, painted.detach()]), twice).chunk(2)
            (functional.relu(1.0 - real).mean() + functional.relu(1.0 + fake).mean()).backward()
            of_discriminator.step()
            of_discriminator.zero_grad(set_to_none=True)
            discriminator.requires_grad_(False)
            error = (painted - truth).abs().mean(1, keepdim=True)
            known, within = ((error * where).sum() / where.sum() for where in (1.0 - hole, hole))
            loss = known + 6.0 * within - 0.01 * discriminator(painted, hole).mean()
            loss.backward()
            discriminator.requires_grad_(True)
            of_restorer.step()
            of_restorer.zero_grad(set_to_none=True)
            average.update_parameters(restorer)
            loss.item()

        return step

    def efficientnet_lite2(self, batch: int, side: int) -> Callable[[], None]:
        """Gradients of all weights and of the input, in training mode; no update."""
        network, x = self.network("efficientnet_lite2"), self.made(batch, 3, side, side).requires_grad_()

        def step() -> None:
            network(x).square().mean().backward()
            network.zero_grad(set_to_none=True)
            x.grad = None

        return step

    def frozen_efficientnet_lite2(self, batch: int, side: int) -> Callable[[], None]:
        """Gradient of the input alone, through the features of the frozen network."""
        network = self.network("efficientnet_lite2", evaluated=True)
        x = self.made(batch, 3, side, side).requires_grad_()

        def step() -> None:
            sum(level.abs().mean() for level in network(x)).backward()
            x.grad = None

        return step


def main() -> None:
    """Time one step in one form, again for every line that comes in."""
    name, width, side, batch, form = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    torch.manual_seed(0)
    step = getattr(Steps(width, form), name)(batch, side)
    try:
        step()
    except Exception as error:
        if form != "compiled":
            raise
        raise SystemExit(f"torch.compile fails here: {type(error).__name__}, {str(error).splitlines()[0]}") from None
    serve(steady(step))


if __name__ == "__main__":
    main()
