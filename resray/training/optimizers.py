"""From a recipe's optimizer to PyTorch's, fused where PyTorch can, and what changes by step."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from resray.errors import InputError
from resray.study.optimizer_spec import Adam, Descent, Muon, Optimizer, Sgd

Group = dict[str, Any]


def build_optimizer(spec: Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer for ``model``'s parameters as ``spec`` says.

    Raises InputError for muon on a network without a hidden weight matrix.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if isinstance(spec, Muon):
        return MuonWithAdamW(spec, hidden_matrices(model), trainable)
    groups = list(parameter_groups(spec, trainable))
    if isinstance(spec, Sgd):
        sgd = torch.optim.SGD(
            groups,
            lr=spec.lr,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            fused=True,
        )
        for parameter in trainable:
            # PyTorch allocates it without filling it and, where fp16 overflows in the first step,
            # returns before anything is written there. From zeros the first step is the same.
            sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return sgd
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.name]
    return kind(groups, lr=spec.lr, betas=spec.betas, fused=True)


def parameter_groups(spec: Descent, trainable: list[nn.Parameter]) -> Iterator[Group]:
    """Yield one group with weight decay and, if the recipe frees them, one without.

    Parameters of one dimension are biases and the scales and shifts of normalisation layers.
    """
    if spec.decay_norm_and_bias:
        yield {"params": trainable, "weight_decay": spec.weight_decay}
        return
    matrices = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    yield {"params": matrices, "weight_decay": spec.weight_decay}
    yield {"params": vectors, "weight_decay": 0.0}


def set_learning_rate(optimizer: torch.optim.Optimizer, spec: Optimizer, factor: float) -> None:
    """Set every parameter group's rate to ``factor`` times its peak."""
    for group in optimizer.param_groups:
        peak = spec.companion_lr if isinstance(spec, Muon) and "betas" in group else spec.lr
        group["lr"] = peak * factor


def set_momentum(optimizer: torch.optim.Optimizer, spec: Optimizer, cycled: float | None) -> None:
    """Set the momentum, or beta1 of Adam's kind, to the schedule's or else to the recipe's."""
    for group in optimizer.param_groups:
        if "betas" in group and not isinstance(spec, Sgd):
            group["betas"] = (spec.betas[0] if cycled is None else cycled, spec.betas[1])
        elif not isinstance(spec, Adam):
            group["momentum"] = spec.momentum if cycled is None else cycled


def set_weight_decay(optimizer: torch.optim.Optimizer, spec: Optimizer) -> None:
    """Set the weight decay of the groups that have one."""
    for group in optimizer.param_groups:
        decays = spec.decay_norm_and_bias or any(p.ndim > 1 for p in group["params"])
        group["weight_decay"] = spec.weight_decay if decays else 0.0


def momentum_in_force(optimizer: torch.optim.Optimizer) -> float:
    """Return the momentum (Adam: beta1) of the first parameter group."""
    group = optimizer.param_groups[0]
    return float(group["betas"][0] if "betas" in group else group["momentum"])


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of all convolutions and linear layers but the first and the last one.

    First and last are so in the order in which the network's modules were made: of the usual
    networks the stem's convolution and the classifier. A shared weight is there once.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    weights = {id(layer.weight): layer.get_parameter("weight") for layer in layers[1:-1]}
    return [weight for weight in weights.values() if weight.requires_grad]


class MuonWithAdamW(torch.optim.Optimizer):
    """PyTorch's Muon for hidden weight matrices and AdamW for everything else, stepping as one.

    A convolution's weight is a matrix with a row for each output channel, as in its author's code:
    Jordan et al., "Muon" (2024). The parameter groups are those of both optimizers, Muon's first.
    """

    def __init__(
        self, spec: Muon, hidden: list[nn.Parameter], trainable: list[nn.Parameter]
    ) -> None:
        """Raise InputError if there is no hidden matrix."""
        if not hidden:
            raise InputError("optimizer.name: muon needs a hidden weight matrix; the network has "
                             "none (use adamw, adam or sgd)")  # fmt: skip
        chosen = {id(parameter) for parameter in hidden}
        others = [parameter for parameter in trainable if id(parameter) not in chosen]
        self._matrices = [as_matrix(parameter.detach(), parameter) for parameter in hidden]
        self._muon = torch.optim.Muon(
            self._matrices,
            lr=spec.lr,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            weight_decay=spec.weight_decay,
        )
        self._adamw = torch.optim.AdamW(
            list(parameter_groups(spec, others)), lr=spec.companion_lr, betas=spec.betas, fused=True
        )
        groups = [{**self._muon.param_groups[0], "params": hidden}, *self._adamw.param_groups]
        super().__init__([dict(group) for group in groups], {})

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is called
        """Update all parameters by their gradients, with the settings of ``param_groups``."""
        assert closure is None
        for group, inner in zip(self.param_groups, self._inner_groups(), strict=True):
            inner.update({key: value for key, value in group.items() if key != "params"})
        for matrix, parameter in zip(self._matrices, self.param_groups[0]["params"], strict=True):
            assert matrix.data_ptr() == parameter.data_ptr()
            matrix.grad = None if parameter.grad is None else as_matrix(parameter.grad, parameter)
        self._muon.step()
        self._adamw.step()

    def _inner_groups(self) -> Iterable[Group]:
        return [*self._muon.param_groups, *self._adamw.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return both optimizers' states."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._muon.load_state_dict(state_dict["muon"])
        self._adamw.load_state_dict(state_dict["adamw"])


def as_matrix(tensor: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return ``weight`` (outputs, ...), or its gradient, as a matrix (outputs, inputs).

    The columns come in the order of the weight's memory, so that its matrix shares its storage.
    Channels-last changes this order: orthogonalising does not depend on it.
    """
    if weight.ndim == 4 and not weight.is_contiguous():
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.flatten(1)
