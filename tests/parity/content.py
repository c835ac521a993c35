"""Models that a mistake anywhere in them would show on."""

import torch


def with_content(model, seed):
    """Return a model none of whose terms is zero or one."""
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise))
    return model
