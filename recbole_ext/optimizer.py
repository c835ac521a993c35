"""The optimiser of a model, and its learning rate at any moment of training."""

from math import cos, pi

import torch
from torch import nn

from recbole_ext.config import Config

LEARNERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}
# One pass over parameters, gradients and moments instead of one for each operation: a quarter of
# the time of PyTorch's usual Adam on the CPU. The others have none, or none on every device.
FUSED = ("adam", "adamw", "sgd")


def optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser that `learner`, `learning_rate` and `weight_decay` describe."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    settings = {"lr": config["learning_rate"], "weight_decay": config["weight_decay"]}
    if config["learner"] in FUSED and not any(p.is_sparse for p in trained):
        settings["fused"] = True
    return LEARNERS[config["learner"]](trained, **settings)


def learning_rate(config: Config, passed: float) -> float:
    """Return the learning rate after some epochs; it depends on nothing else.

    Args:
        config: `learning_rate`, `learning_rate_schedule`, `warmup_epochs`, `epochs`; of the
            schedule `step` also `decay_factor` and `decay_epochs`.
        passed: epochs since the start, with a fraction within one.
    """
    rate, warmup = float(config["learning_rate"]), float(config["warmup_epochs"])
    if passed < warmup:
        return rate * passed / warmup
    kind = config["learning_rate_schedule"]
    if kind == "step":
        return rate * float(config["decay_factor"] ** ((passed - warmup) // config["decay_epochs"]))
    share = min((passed - warmup) / max(float(config["epochs"]) - warmup, 1.0), 1.0)
    shapes = {"constant": 1.0, "linear": 1 - share, "cosine": (1 + cos(pi * share)) / 2}
    return rate * shapes[kind]
