"""The item features that a recommender holds: prepared once, frozen unless asked otherwise."""

from functools import partial
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from recbole_ext.feature_norms import centre, prepared, scaled, table
from recbole_ext.item_rows import Matrix, Part, Rows
from recbole_ext.projection import project
from recbole_ext.sharing import Blocks, Share, kept

SCHEME = 1  # to be raised when prepared numbers change: it is part of the key they are kept by
LEAST_SHARED = 2**24  # bytes: a smaller matrix is sooner prepared than found


class FreshRows(Protocol):
    """What an encoder that trains gives in place of some rows of the matrices."""

    def __call__(self, place: int, asked: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """Return items, (n,), and their prepared rows, (n, dim), with a gradient; None for none.

        Args:
            place: of the modality. asked: items of which rows are needed; None for all there are.
        """


class Features(nn.Module):
    """One matrix a modality; an item without it has a zero row, whatever happens.

    Args:
        dataset: a `MultimodalDataset`; one without features gives no modality.
        norm: none; l2 (rows of length one); centred (the mean of the real rows taken away first:
            without it the vectors of most networks share one large direction).
        trainable: the matrices are parameters. Otherwise they are buffers and never change; a
            large one is prepared once for all processes where the dataset has a `share`.

    Once it follows an encoder (`follow`), its matrices are tables of what that encoder gave last,
    and whoever reads them finds the fresh rows of the moment in their places.
    """

    def __init__(self, dataset: Any, norm: str, trainable: bool = False) -> None:
        super().__init__()
        given = getattr(dataset, "features", {})
        self.modalities: tuple[str, ...] = tuple(given)
        self.trainable, self.norm = trainable, norm
        self.fresh: FreshRows | None = None
        self._share: Share | None = getattr(dataset, "share", None)
        self._keys = tuple(_key(rows, norm) for rows in given.values())
        for place, name in enumerate(self.modalities):  # names may be no attribute names
            f, mean = self._prepared(place, given[name])
            self.register_buffer(f"mask_{place}", given[name].mask, persistent=False)
            self.register_buffer(f"mean_{place}", mean, persistent=False)
            if trainable:
                self.register_parameter(f"matrix_{place}", nn.Parameter(f))
            else:
                self.register_buffer(f"matrix_{place}", f, persistent=False)

    def _prepared(self, place: int, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return a modality's matrix, (n_items, dim), and what its norm took away, (dim,)."""
        (n_items, dim), key = rows.shape, self._keys[place]
        wanted = key is not None and not self.trainable and 4 * n_items * dim >= LEAST_SHARED
        share, blocks = self._share if wanted else None, partial(table, rows, self.norm)
        made = kept(share, f"prepared {key}", (n_items + 1, dim), np.float32, blocks)
        whole = torch.from_numpy(made)
        return whole[:-1], whole[-1].clone()

    def keep(self, *places: int, made: str = "the matrix") -> Share | None:
        """Return what keeps what is made of matrices alone; None where they may change.

        Args:
            places: of the modalities. made: names what was made of them first.
        """
        share, keys = self._share, [self._keys[place] for place in places]
        if share is None or None in keys or self.trainable or self.fresh is not None:
            return None

        def keep(
            key: str, shape: tuple[int, ...], dtype: DTypeLike, blocks: Blocks
        ) -> NDArray[Any] | None:
            return share(f"{key} of {made}: {', '.join(map(str, keys))}", shape, dtype, blocks)

        return keep

    def __len__(self) -> int:
        return len(self.modalities)

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimension of each modality."""
        return tuple(getattr(self, f"matrix_{place}").shape[1] for place in range(len(self)))

    def mask(self, place: int) -> Tensor:
        """Return which items have a modality, (n_items,) bool; the padding item has none."""
        return self.get_buffer(f"mask_{place}")

    def matrix(self, place: int) -> Tensor:
        """Return the features of a modality, (n_items, dim)."""
        matrix: Tensor = getattr(self, f"matrix_{place}")
        fresh = self.fresh(place, None) if self.fresh else None
        if fresh is not None:
            return matrix.index_copy(0, *fresh)
        return matrix * self.mask(place)[:, None] if self.trainable else matrix

    def matrices(self) -> list[Tensor]:
        """Return the features of every modality."""
        return [self.matrix(place) for place in range(len(self))]

    def parts(self) -> list[Part]:
        """Return every modality as an item graph takes it."""
        places = range(len(self))
        return [Part(self.matrix(place), self.mask(place), self.keep(place)) for place in places]

    def projected(self, place: int, rows: Tensor, weight: Tensor) -> Tensor:
        """Return the features of some items times weight^T, (n, out).

        Args:
            rows: (n,) items. weight: (out, dim).
        """
        matrix = getattr(self, f"matrix_{place}")
        fresh = self.fresh(place, rows) if self.fresh else None
        if fresh is not None:
            return linear(_gathered(matrix, rows, *fresh), weight).float()
        if not self.trainable:
            return project(matrix, rows, weight)
        return linear(embedding(rows, matrix) * self.mask(place)[rows, None], weight)

    def follow(self, fresh: FreshRows) -> None:
        """Let an encoder give rows from now on; the matrices become a part of the state.

        Raises:
            ValueError: the matrices train by themselves.
        """
        if self.trainable:
            raise ValueError("trainable_features: the encoder trains, not its rows: use false")
        self.fresh = fresh
        for place in range(len(self)):
            for name in (f"matrix_{place}", f"mean_{place}"):
                self.register_buffer(name, self.get_buffer(name), persistent=True)

    def scaled(self, place: int, raw: Tensor) -> Tensor:
        """Return rows as the encoder gave them, (n, dim), prepared by the mean of the table."""
        return scaled(raw, self.get_buffer(f"mean_{place}"), self.norm)

    @torch.no_grad()
    def write(self, place: int, items: Tensor, rows: Tensor) -> None:
        """Put prepared rows, (n, dim), of items, (n,), into the table."""
        self.get_buffer(f"matrix_{place}")[items] = rows

    @torch.no_grad()
    def renew(self, place: int, raw: Tensor) -> None:
        """Make the table anew from what the encoder gave for all items, (n_items, dim)."""
        mask = self.mask(place)
        mean = self.get_buffer(f"mean_{place}").copy_(centre(Matrix(raw, mask), self.norm))
        self.get_buffer(f"matrix_{place}").copy_(prepared(raw, mask, mean, self.norm))


def _gathered(matrix: Tensor, rows: Tensor, items: Tensor, values: Tensor) -> Tensor:
    """Return rows of a matrix, (n, dim), those of `items` taken from `values`."""
    slot = torch.full_like(matrix[:, 0], -1, dtype=torch.long)
    slot[items] = torch.arange(len(items), device=items.device)
    found = slot[rows]  # (n,)
    fresh = embedding(found.clamp_min(0), values)
    return torch.where((found >= 0)[:, None], fresh, embedding(rows, matrix))


def _key(rows: Any, norm: str) -> str | None:
    """Return what fixes a prepared matrix to the last bit; None where its rows have no name."""
    content = getattr(rows, "content", None)
    if content is None:
        return None
    order = sha256(rows.rows.numpy().tobytes() + rows.mask.numpy().tobytes()).hexdigest()
    machine = f"{torch.backends.cpu.get_cpu_capability()} {torch.get_num_threads()}"
    return f"{SCHEME} {content} {order} {norm} {torch.__version__} {machine}"


def projections(dims: tuple[int, ...], out: int, bias: bool = True) -> nn.ModuleList:
    """Return a linear layer for each modality, Xavier-initialised, biases zero."""
    layers = [nn.Linear(dim, out, bias=bias) for dim in dims]
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        if bias:
            nn.init.zeros_(layer.bias)
    return nn.ModuleList(layers)
