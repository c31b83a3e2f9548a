"""Finds where NaN or an infinity began, in a step that is repeated: by hooks on every layer and on the loss's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

import paddle
from paddle import nn

from oldrestore.batch import Batch, Prediction
from oldrestore.losses.base import Loss
from oldrestore.training.learner import Learner

Stage = Literal["network", "discriminator", "loss", "gradient of network", "gradient of loss", "update"]


@dataclass(frozen=True)
class NanOrigin:
    """Where values that are not finite began; `words` complete "nan began ..."."""

    iteration: int
    stage: Stage
    words: str


class FoundOriginError(Exception):
    """Ends the repetition of steps; carries the `NanOrigin`."""

    def __init__(self, origin: NanOrigin) -> None:
        super().__init__(origin.words)
        self.origin = origin


@dataclass
class _Call:
    """One call of a layer in a forward pass, and whether the gradients that it was given and gave are finite."""

    name: str
    layer: nn.Layer
    is_leaf: bool = True
    bad_output_gradient: bool = False
    bad_input_gradient: bool = False


@dataclass
class _TermCall:
    name: str
    terms: Callable[[Prediction, Batch], Mapping[str, paddle.Tensor]]
    loss: Loss
    prediction: Prediction
    batch: Batch
    learnt: bool


class WatchedLearner:
    """Makes the steps of a learner, bit for bit, and raises `FoundOriginError` after the one that went wrong.

    A step has gone wrong if its loss, or a weight after it, is not finite. What is not finite on the way and does no
    harm (an overflow that the scaler of mixed precision skips) is no origin.
    """

    def __init__(self, learner: Learner) -> None:
        self.accumulate = learner.accumulate
        self.learning_rate = learner.learning_rate
        self._learner = learner
        self._networks = {name: part for name, part in vars(learner).items() if isinstance(part, nn.Layer)}
        self._calls: list[_Call] = []
        self._open: list[_Call] = []
        self._term: str | None = None
        self._terms: list[_TermCall] = []
        self._forward: tuple[Stage, str] | None = None

    def step(self, batches: Sequence[Batch], iteration: int, measure_gradients: bool) -> Mapping[str, paddle.Tensor]:
        """Make a step; see `Learner.step`."""
        self._calls, self._open, self._terms, self._term, self._forward = [], [], [], None, None
        for batch in batches:
            for field in fields(batch):
                self._look("network", getattr(batch, field.name), f"in the input {field.name}")
        with ExitStack() as hooks:
            self._watch(hooks)
            scalars = self._learner.step(batches, iteration, measure_gradients)
        terms = [name for name in scalars if name != "loss" and "gradient_norm" not in name]
        bad_scalar = next((name for name in terms if not finite(scalars[name])), None)
        if bad_scalar or not finite(scalars["loss"]) or self._weights_are_spoiled():
            raise FoundOriginError(NanOrigin(iteration, *self._origin(bad_scalar, finite(scalars["loss"]))))
        return scalars

    def _weights_are_spoiled(self) -> bool:
        return not all(finite(v) for network in self._networks.values() for v in network.state_dict().values())

    def _origin(self, bad_scalar: str | None, loss_is_finite: bool) -> tuple[str, str]:
        if self._forward is not None:
            return self._forward
        if bad_scalar or not loss_is_finite:
            return "loss", f"in the loss, in {bad_scalar or 'its sum'}"
        leaves = [call for call in self._calls if call.is_leaf]
        for number in reversed(range(len(leaves))):
            call = leaves[number]
            stage = "gradient of loss" if call.name.startswith("loss.") else "gradient of network"
            if call.bad_output_gradient:
                later = leaves[number + 1 :]
                if any(other.name.startswith("loss.") for other in later) or not later:
                    break
                return stage, f"in the gradient of what follows {described(call.name, call.layer)}"
            own = (p for p in call.layer.parameters(include_sublayers=False) if not p.stop_gradient)
            if call.bad_input_gradient or any(p.name in self._bad_parameters for p in own):
                return stage, f"in the gradient of {described(call.name, call.layer)}"
        for term in self._terms:
            if term.learnt and not _has_finite_gradient(term):
                return (
                    "gradient of loss",
                    f"in the gradient of {_in_words(term.name, term.loss)}, whose value is finite",
                )
        if self._bad_parameters or any(call.bad_output_gradient for call in leaves):
            return "gradient of network", "in a gradient"
        return "update", "in the update of the weights, from gradients that are finite"

    def _watch(self, hooks: ExitStack) -> None:
        """Put hooks on every layer, every trained parameter and every term of the loss."""
        self._bad_parameters: set[str] = set()
        for network_name, network in self._networks.items():
            for name, layer in network.named_sublayers(include_self=True):
                if not isinstance(layer, Loss):
                    prefix = "" if network_name == "network" else network_name
                    path = ".".join(filter(None, (prefix, name)))
                    hooks.callback(layer.register_forward_pre_hook(self._entering(path)).remove)
                    hooks.callback(layer.register_forward_post_hook(self._leaving).remove)
            for parameter in network.parameters():
                if not parameter.stop_gradient:
                    note = self._bad_parameters.add
                    hooks.callback(parameter.register_hook(_when_bad(note, parameter.name)).remove)
        for name, loss in _leaf_terms(self._learner.loss):
            hooks.enter_context(self._watched_term(name, loss))

    def _entering(self, path: str) -> Callable[..., None]:
        def enter(layer: nn.Layer, inputs: Any) -> None:
            if not paddle.in_dynamic_mode():
                return  # it is being exported
            if self._open:
                self._open[-1].is_leaf = False
            self._open.append(_Call(path, layer))

        return enter

    def _leaving(self, layer: nn.Layer, inputs: Any, outputs: Any) -> None:
        if not paddle.in_dynamic_mode():
            return
        call = self._open.pop()
        self._calls.append(call)
        if self._forward is None:
            came = "in" if all(map(finite, _tensors(inputs))) else "before"
            part = call.name.partition(".")[0]
            other: Stage = "discriminator" if part == "discriminator" else "network"
            stage: Stage = other if self._term is None else "loss"
            of_term = "" if self._term is None else f" of the term '{self._term}'"
            own = list(call.layer.parameters(include_sublayers=False))
            weights = "" if all(map(finite, own)) else ", whose weights are not finite"
            self._look(stage, outputs, f"{came} {described(call.name, layer)}{of_term}{weights}")
        for tensors, name in ((outputs, "bad_output_gradient"), (inputs, "bad_input_gradient")):
            for tensor in _tensors(tensors):
                if not tensor.stop_gradient:
                    tensor.register_hook(_when_bad(lambda field, call=call: setattr(call, field, True), name))

    def _look(self, stage: Stage, values: Any, words: str) -> None:
        if self._forward is None and not all(map(finite, _tensors(values))):
            self._forward = stage, words

    @contextmanager
    def _watched_term(self, name: str, loss: Loss) -> Iterator[None]:
        original = loss.terms

        def terms(prediction: Prediction, batch: Batch) -> Mapping[str, paddle.Tensor]:
            self._term = name or type(loss).__name__
            values = original(prediction, batch)
            self._term = None
            learnt = paddle.is_grad_enabled() and not values["loss"].stop_gradient
            self._terms.append(_TermCall(name, original, loss, prediction, batch, learnt))
            largest = max((float(t.astype("float32").abs().max()) for t in _tensors(prediction)), default=0.0)
            read = f", whose prediction is finite (at most {largest:.3g} in size)"
            self._look("loss", list(values.values()), f"in {_in_words(name, loss)}{read}")
            return values

        loss.terms = terms
        try:
            yield
        finally:
            del loss.terms


def described(name: str, layer: nn.Layer) -> str:
    """Name a layer of a network by its path and class."""
    return f"the layer {name} ({type(layer).__name__})" if name else f"the network ({type(layer).__name__})"


def finite(value: paddle.Tensor) -> bool:
    """Say whether a tensor holds neither NaN nor an infinity; one of whole numbers does not."""
    return not value.is_floating_point() or bool(paddle.isfinite(value.detach()).all())


def _in_words(name: str, loss: Loss) -> str:
    return f"the term '{name}' of the loss ({type(loss).__name__})" if name else f"the loss ({type(loss).__name__})"


def _leaf_terms(loss: Loss, prefix: str = "") -> Iterator[tuple[str, Loss]]:
    """Yield the losses that a sum is of, by the names of their curves; a loss that is no sum has no name."""
    inner = getattr(loss, "losses", None)
    if not isinstance(inner, nn.LayerDict):
        yield prefix, loss
        return
    for name, term in inner.items():
        yield from _leaf_terms(term, f"{prefix}/{name}" if prefix else name)


def _has_finite_gradient(call: _TermCall) -> bool:
    """Say whether the gradient of a term, with respect to the prediction alone, is finite."""
    with paddle.enable_grad():
        values = {name: getattr(call.prediction, name) for name in call.loss.reads}
        alone = {name: value.detach() for name, value in values.items() if isinstance(value, paddle.Tensor)}
        for tensor in alone.values():
            tensor.stop_gradient = False
        loss = call.terms(replace(call.prediction, **alone), call.batch)["loss"]
        gradients = paddle.grad(loss, list(alone.values()), allow_unused=True)
    return all(gradient is None or finite(gradient) for gradient in gradients)


def _when_bad(note: Callable[[str], None], name: str) -> Callable[[paddle.Tensor], None]:
    def look(gradient: paddle.Tensor) -> None:
        if not finite(gradient):
            note(name)

    return look


def _tensors(values: Any) -> Iterator[paddle.Tensor]:
    """Yield the tensors in what a layer is given or gives: a tensor, a sequence, a mapping or a dataclass of them."""
    if isinstance(values, paddle.Tensor):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _tensors(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
    elif is_dataclass(values) and not isinstance(values, type):
        for field in fields(values):
            yield from _tensors(getattr(values, field.name))
