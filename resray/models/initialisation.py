"""How a network's weights are drawn before training, by the name that a recipe gives.

Everything is drawn from torch's global generator. Sources: He et al., "Delving Deep into
Rectifiers" (2015) for kaiming; Glorot & Bengio, "Understanding the Difficulty of Training Deep
Feedforward Neural Networks" (2010) for xavier.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from resray.study.model_spec import Initialisation

SCHEMES: dict[Initialisation, Callable[[Tensor], object]] = {
    "kaiming_normal": partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"),
    "kaiming_uniform": partial(nn.init.kaiming_uniform_, mode="fan_out", nonlinearity="relu"),
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
}
"""``torch`` is none of them: PyTorch's layers have drawn their own weights when they were built."""


def initialise(
    network: nn.Module, convolutions: Initialisation, classifier: Initialisation
) -> None:
    """Draw the convolutions, in the network's order, and then its classifier ``fc``.

    Norms start at weight 1 and bias 0 by themselves. The classifier's bias starts at 0 unless its
    scheme is ``torch``, which leaves it as it is.
    """
    if draw := SCHEMES.get(convolutions):
        # A convolution that is used twice is one module, and drawn once.
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                draw(module.weight)
    if draw := SCHEMES.get(classifier):
        draw(network.get_parameter("fc.weight"))
        nn.init.zeros_(network.get_parameter("fc.bias"))
