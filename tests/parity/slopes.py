"""Gradients against central differences of a loss that was written down again in float64."""

import torch

STEP = 1e-5


def wrong_slopes(model, loss, written):
    """Return the parameters whose gradient is not the slope of the re-derived loss.

    A gradient that is stopped anywhere shows: the slope along a random direction of a parameter
    is that of every way by which it reaches the loss.

    Args:
        model: becomes float64. loss: gives its loss. written: gives that loss by the equations,
            from what the model's parameters are at the moment.
    """
    model.zero_grad()
    loss().backward()
    model.double()  # the gradients are those of float32, what they are held to is not
    noise = torch.Generator().manual_seed(7)
    found, expected = {}, {}
    for name, parameter in model.named_parameters():
        way = torch.randn(parameter.shape, generator=noise, dtype=torch.float64)
        found[name] = 0.0 if parameter.grad is None else float((parameter.grad * way).sum())
        expected[name] = _slope(parameter.data, way, written)
    rounding = 1e-5 * max(map(abs, expected.values()))
    return [
        name
        for name, slope in expected.items()
        if abs(found[name] - slope) > 1e-3 * abs(slope) + rounding
    ]


def _slope(value, way, written):
    start, ends = value.clone(), []
    for sign in (1, -1):
        value.copy_(start + sign * STEP * way)
        ends.append(float(written()))
    value.copy_(start)
    return (ends[0] - ends[1]) / (2 * STEP)
