"""Where tokens stand: indices of the relative position bias, and positions at another resolution.

Every index is (queries, keys) int64, rows of the bias table. Devices are named, so that a model
built on the meta device still has its indices.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline
from torch import Tensor
from torch.nn.functional import interpolate

from mmbench.encoders.vlmo.config import Config
from mmbench.errors import UsageError

CUBIC = 3  # degree of the spline


def image_index(grid: int) -> Tensor:
    """Return the rows for [CLS] and the patches: (1 + grid², 1 + grid²)."""
    side = 2 * grid - 1
    axis = torch.arange(grid, device="cpu")
    y, x = axis.repeat_interleave(grid), axis.repeat(grid)  # (grid²,)
    rows = (y[:, None] - y + grid - 1) * side + (x[:, None] - x + grid - 1)  # (grid², grid²)
    index = torch.empty(grid**2 + 1, grid**2 + 1, dtype=torch.int64, device="cpu")
    index[1:, 1:] = rows
    index[0, :] = side**2
    index[:, 0] = side**2 + 1
    index[0, 0] = side**2 + 2
    return index


def text_index(config: Config) -> Tensor:
    """Return the rows for [CLS] and the words: (text_length, text_length)."""
    last = config.table_rows
    place = torch.arange(config.text_length, device="cpu")
    # Key minus query: the other way round than between patches.
    index = place - place[:, None] + last - config.initial_text_length - 2
    index[0, :] = last - 3
    index[:, 0] = last - 2
    index[0, 0] = last - 1
    return index


def joint_index(config: Config) -> Tensor:
    """Return the rows for text and then image: (text_length + 1 + grid², the same)."""
    across = (2 * config.grid - 1) ** 2 + 3
    text, image = text_index(config), image_index(config.grid)
    to_image = torch.full((len(text), len(image)), across, device="cpu")
    to_text = torch.full((len(image), len(text)), across + 1, device="cpu")
    return torch.cat([torch.cat([text, to_image], 1), torch.cat([to_text, image], 1)])


def resized_table(table: Tensor, grid: int, new_grid: int) -> Tensor:
    """Return the bias table (rows, heads · depth) for another grid, as BEiT does it.

    The offsets of the old grid are laid out with growing distances, so that they span those of
    the new one, and a cubic spline is read at whole numbers. All other rows are kept.

    Raises:
        UsageError: the old grid has too few offsets for a cubic.
    """
    old, new = 2 * grid - 1, 2 * new_grid - 1
    if old == new:
        return table
    if old <= CUBIC:
        raise UsageError(
            f"relative positions of {grid} × {grid} patches are too few to fit {new_grid} × "
            f"{new_grid}: leave image_size as the checkpoint has it"
        )
    places = _spread(old // 2, new // 2)  # (old,)
    wanted = np.arange(-(new // 2), new // 2 + 1, dtype=np.float64)  # (new,)
    offsets = table[: old**2].double().numpy().reshape(old, old, -1)  # (old, old, columns)
    columns = [
        RectBivariateSpline(places, places, offsets[:, :, column], kx=CUBIC, ky=CUBIC)(
            wanted, wanted
        ).reshape(-1)
        for column in range(offsets.shape[2])
    ]
    resized = torch.from_numpy(np.stack(columns, axis=1)).to(table.dtype)  # (new², columns)
    return torch.cat([resized, table[old**2 :]])


def _spread(steps: int, reach: int) -> NDArray[np.float64]:
    """Return 2 * steps + 1 places around 0, whose distances grow so that the last is at reach."""
    low, high = 1.01, 1.5
    while high - low > 1e-6:
        ratio = (low + high) / 2
        if (1 - ratio**steps) / (1 - ratio) > reach:
            high = ratio
        else:
            low = ratio
    places = np.cumsum(ratio ** np.arange(steps, dtype=np.float64))
    return np.concatenate([-places[::-1], [0.0], places])


def resized_positions(positions: Tensor, new_grid: int) -> Tensor:
    """Return absolute positions (1, 1 + grid², dim) for another grid; that of [CLS] is kept."""
    first, patches = positions[:, :1], positions[:, 1:]
    grid = round(patches.shape[1] ** 0.5)
    if grid == new_grid:
        return positions
    plane = patches.reshape(1, grid, grid, -1).permute(0, 3, 1, 2)  # (1, dim, grid, grid)
    plane = interpolate(plane, size=(new_grid, new_grid), mode="bicubic", align_corners=False)
    return torch.cat([first, plane.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
