"""What reads the last states: the pooler and the heads of the pretraining and finetuning tasks."""

from math import log

import torch
from torch import Tensor, nn

from mmbench.encoders.vlmo.config import Config

ANSWERS = 3129  # of VQAv2


class Pooler(nn.Module):
    """The first token through a layer and tanh."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dense = nn.Linear(dim, dim)

    def forward(self, states: Tensor) -> Tensor:
        """Return (n, dim) for (n, length, dim)."""
        return torch.tanh(self.dense(states[:, 0]))


class Head(nn.Module):
    """One linear layer, called `fc` in every checkpoint."""

    def __init__(self, dim: int, outputs: int, bias: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(dim, outputs, bias=bias)

    def forward(self, states: Tensor) -> Tensor:
        """Return (n, outputs) for (n, dim)."""
        mapped: Tensor = self.fc(states)
        return mapped


class _Transform(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dense = nn.Linear(dim, dim)
        self.act = nn.GELU()
        self.LayerNorm = nn.LayerNorm(dim, eps=1e-12)

    def forward(self, states: Tensor) -> Tensor:
        mapped: Tensor = self.LayerNorm(self.act(self.dense(states)))
        return mapped


class MaskedWords(nn.Module):
    """Scores of all words at each token."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.transform = _Transform(config.dim)
        self.decoder = nn.Linear(config.dim, config.vocabulary, bias=False)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))

    def forward(self, states: Tensor) -> Tensor:
        """Return (n, length, vocabulary) for (n, length, dim)."""
        scores: Tensor = self.decoder(self.transform(states)) + self.bias
        return scores


def _classifier(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, outputs)
    )


def task_modules(config: Config) -> dict[str, nn.Module]:
    """Return the heads of a configuration's tasks by the names they have in checkpoints."""
    dim, tasks = config.dim, config.tasks
    modules: dict[str, nn.Module] = {}
    if "mlm" in tasks:
        modules["mlm_score"] = MaskedWords(config)
    if "itm" in tasks:
        modules["itm_score"] = Head(dim, 2, bias=True)
    for task, infix in (("itc", ""), ("itc_vl", "vl_")):
        if task in tasks:
            modules[f"itc_{infix}text_proj"] = Head(dim, dim, bias=False)
            modules[f"itc_{infix}image_proj"] = Head(dim, dim, bias=False)
    if "vqa" in tasks:
        modules["vqa_classifier"] = _classifier(dim, 2 * dim, ANSWERS)
    if "nlvr2" in tasks:
        modules["nlvr2_classifier"] = _classifier(2 * dim, 2 * dim, 2)
    return modules


def logit_scales(config: Config) -> dict[str, nn.Parameter]:
    """Return the logarithms of the inverse temperatures of a configuration's contrasts."""
    names = {"itc": "logit_scale", "itc_vl": "logit_vl_scale"}
    start = torch.tensor(log(1 / 0.07))
    return {
        name: nn.Parameter(start.clone()) for task, name in names.items() if task in config.tasks
    }
