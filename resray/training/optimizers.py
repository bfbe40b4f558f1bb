"""From a recipe's optimizer to PyTorch's, fused where PyTorch can, and what changes by step.

A CUDA graph holds on to every number that it was captured with. So an optimizer that is captured
has its learning rate, and a momentum that its schedule moves, as tensors, which the host fills.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from resray.errors import InputError
from resray.study.optimizer_spec import Adam, Descent, Muon, Optimizer, Sgd

Group = dict[str, Any]


def build_optimizer(
    spec: Optimizer, model: nn.Module, *, captured: bool = False, cycles: bool = False
) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer for ``model``'s parameters as ``spec`` says.

    ``captured`` makes it one for a CUDA graph; ``cycles`` says that its momentum changes by step.
    Raises InputError for muon on a network without a hidden weight matrix.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    by_tensor = captured and cycles
    # PyTorch takes a beta that is a tensor one parameter at a time alone.
    capturable = captured and trainable[0].device.type != "cpu"
    adams = {"fused": not by_tensor, "foreach": False, "capturable": capturable}
    if isinstance(spec, Muon):
        optimizer: torch.optim.Optimizer = MuonWithAdamW(
            spec, hidden_matrices(model), trainable, adams
        )
    elif isinstance(spec, Sgd):
        groups = list(parameter_groups(spec, trainable))
        kind = CyclingSgd if by_tensor else torch.optim.SGD
        optimizer = kind(
            groups,
            lr=spec.lr,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            fused=not by_tensor,
        )
        for parameter in trainable:
            # PyTorch allocates it without filling it and, where fp16 overflows in the first step,
            # returns before anything is written there. From zeros the first step is the same.
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    else:
        adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.name]
        groups = list(parameter_groups(spec, trainable))
        optimizer = adam(groups, lr=spec.lr, betas=spec.betas, **adams)
    if captured:
        enter_as_tensors(optimizer, trainable[0].device, cycles)
    return optimizer


def enter_as_tensors(optimizer: torch.optim.Optimizer, device: torch.device, cycles: bool) -> None:
    """Replace each group's learning rate, and its momentum if that ``cycles``, by a tensor."""
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), device=device)
        if cycles and "betas" in group:
            first, second = group["betas"]
            group["betas"] = (torch.tensor(float(first), device=device), float(second))
        elif cycles:
            group["momentum"] = torch.tensor(float(group["momentum"]), device=device)


def state_of(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the optimizer's state, of its settings only which parameters it is for."""
    return _with_groups(optimizer.state_dict(), None)


def load_state(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Take over what `state_of` gave, in whichever form the step was; settings stay one's own.

    Raises ValueError if it is of other parameters.
    """
    optimizer.load_state_dict(_with_groups(saved, optimizer.state_dict()))


def _with_groups(saved: dict[str, Any], own: dict[str, Any] | None) -> dict[str, Any]:
    """Return a state with one's ``own`` groups, or with no more of its own than their members."""
    if "param_groups" not in saved:
        return {key: _with_groups(saved[key], own and own[key]) for key in own or saved}
    members = [{"params": group["params"]} for group in saved["param_groups"]]
    if own is None:
        return {**saved, "param_groups": members}
    if members != [{"params": group["params"]} for group in own["param_groups"]]:
        raise ValueError("the optimizer's parameter groups are others")
    return {**saved, "param_groups": own["param_groups"]}


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
        group["lr"] = _filled(group["lr"], peak * factor)


def set_momentum(optimizer: torch.optim.Optimizer, spec: Optimizer, cycled: float | None) -> None:
    """Set the momentum, or beta1 of Adam's kind, to the schedule's or else to the recipe's."""
    for group in optimizer.param_groups:
        if "betas" in group and not isinstance(spec, Sgd):
            first, second = spec.betas
            group["betas"] = (
                _filled(group["betas"][0], first if cycled is None else cycled),
                second,
            )
        elif not isinstance(spec, Adam):
            momentum = spec.momentum if cycled is None else cycled
            group["momentum"] = _filled(group["momentum"], momentum)


def _filled(known: float | torch.Tensor, value: float) -> float | torch.Tensor:
    """Return the value, in the tensor that is known if there is one."""
    return known.fill_(value) if isinstance(known, torch.Tensor) else value


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


class CyclingSgd(torch.optim.SGD):
    """PyTorch's SGD, with a momentum that is a tensor."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is called
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            parameters = [each for each in group["params"] if each.grad is not None]
            buffers = [self.state[each]["momentum_buffer"] for each in parameters]
            decay, momentum = group["weight_decay"], group["momentum"]
            gradients = [each.grad for each in parameters]
            updates = torch._foreach_add(gradients, parameters, alpha=decay)
            torch._foreach_mul_(buffers, momentum)
            torch._foreach_add_(buffers, updates)
            if group["nesterov"]:
                torch._foreach_add_(updates, torch._foreach_mul(buffers, momentum))
            rated = torch._foreach_mul(updates if group["nesterov"] else buffers, group["lr"])
            torch._foreach_sub_(parameters, rated)


class GroupedMuon(torch.optim.Muon):
    """PyTorch's Muon, which orthogonalises all matrices of one shape together."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is called
        """Update all matrices that have a gradient."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape[matrix.shape].append(matrix)
            for matrices in by_shape.values():
                self._update(group, matrices)

    def _update(self, group: Group, matrices: list[torch.Tensor]) -> None:
        """Update matrices of one shape (rows, columns)."""
        rows, columns = matrices[0].shape
        lr, momentum = group["lr"], group["momentum"]
        gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        buffers = [self._buffer(matrix) for matrix in matrices]
        moving = torch.lerp(torch.stack(buffers), gradients, 1 - momentum)
        torch._foreach_copy_(buffers, list(moving.unbind()))
        update = torch.lerp(gradients, moving, momentum) if group["nesterov"] else moving
        update = orthogonalised(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        torch._foreach_mul_(matrices, 1 - lr * group["weight_decay"])
        rate = lr * math.sqrt(max(1, rows / columns))
        torch._foreach_sub_(matrices, list((update * rate).unbind()))

    def _buffer(self, matrix: torch.Tensor) -> torch.Tensor:
        if "momentum_buffer" not in self.state[matrix]:
            self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        buffer: torch.Tensor = self.state[matrix]["momentum_buffer"]
        return buffer


def orthogonalised(
    matrices: torch.Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> torch.Tensor:
    """Return float32 matrices (n, rows, columns) with singular values near 1.

    The Newton-Schulz iteration of Jordan et al., "Muon" (2024), in bfloat16 as PyTorch's.
    """
    a, b, c = coefficients
    turned = matrices.shape[1] > matrices.shape[2]
    found = matrices.bfloat16()
    found = found.mT if turned else found
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = found @ found.mT
        update = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        found = torch.baddbmm(found, update, found, beta=a)
    return (found.mT if turned else found).float()


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon for hidden weight matrices and AdamW for everything else, stepping as one.

    A convolution's weight is a matrix with a row for each output channel, as in its author's code:
    Jordan et al., "Muon" (2024). The parameter groups are those of both optimizers, Muon's first.
    """

    def __init__(
        self,
        spec: Muon,
        hidden: list[nn.Parameter],
        trainable: list[nn.Parameter],
        adams: dict[str, bool],
    ) -> None:
        """Take AdamW's form too; raise InputError if there is no hidden matrix."""
        if not hidden:
            raise InputError("optimizer.name: muon needs a hidden weight matrix; the network has "
                             "none (use adamw, adam or sgd)")  # fmt: skip
        chosen = {id(parameter) for parameter in hidden}
        others = [parameter for parameter in trainable if id(parameter) not in chosen]
        self._matrices = [as_matrix(parameter.detach(), parameter) for parameter in hidden]
        self._muon = GroupedMuon(
            self._matrices,
            lr=spec.lr,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            weight_decay=spec.weight_decay,
        )
        self._adamw = torch.optim.AdamW(
            list(parameter_groups(spec, others)), lr=spec.companion_lr, betas=spec.betas, **adams
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
