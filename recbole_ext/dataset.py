"""RecBole's Dataset with item features: one matrix and one mask a modality, aligned by item id."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from recbole_ext.config import Config
from recbole_ext.item_graphs import Edges
from recbole_ext.item_rows import GivenFeatures, ItemFeatures
from recbole_ext.sharing import Share

from recbole.data.dataset import Dataset  # isort: skip - needs the aliases of recbole_ext.config
from recbole.utils import FeatureSource, FeatureType  # isort: skip


class EmptyPartError(ValueError):
    """A part of a dataset has no interaction left once some items are left out."""


class MultimodalDataset(Dataset):  # type: ignore[misc]  # RecBole carries no types
    """A RecBole dataset that carries item features beside the interactions.

    Args:
        config: a `recbole_ext.config.Config`.
        left_out: ids of items that are left out with all their interactions, and the users who
            then have none in the first part (train) with all of theirs.
        share: keeps what recommenders make of features whose content has a name, see
            `add_features`; where it is left out, each process makes its own.

    Raises:
        FileNotFoundError: no dataset folder below `data_path`; nothing is downloaded.
        EmptyPartError: a part of the dataset has only what is left out.

    `dropped` counts the items, users and interactions (of each part) that were left out; None
    where nothing was to be.

    `features` maps a modality to its `ItemFeatures`; `build()` hands it to every part.
    """

    inter_feat: Any
    file_size_list: list[int]

    def __init__(
        self, config: Config, left_out: Collection[str] = (), share: Share | None = None
    ) -> None:
        self.left_out, self.share = frozenset(left_out), share
        self.dropped: dict[str, Any] | None = None
        self.features: dict[str, ItemFeatures | GivenFeatures] = {}
        self.item_graph: Edges | None = None
        self.parts: list[Any] | None = None
        super().__init__(config)

    def build(self) -> list[Any]:
        """Return the train, validation and test parts; RecBole's own can be called only once."""
        if self.parts is None:
            self.parts = super().build()
        return self.parts

    def add_features(
        self,
        modality: str,
        item_ids: Sequence[str],
        matrix: Any,
        mask: Any = None,
        content: str | None = None,
    ) -> None:
        """Give the items a modality.

        Args:
            modality: its name, `image` for instance.
            item_ids: (n,) the item of each row, as written in the interactions.
            matrix: (n, dim) numbers.
            mask: (n,) true where the row is real; all rows where it is left out.
            content: names the numbers in `matrix`: other numbers, another name. Where the dataset
                has a `share`, the matrix is then not copied, and must stay as it is.

        Items of the dataset that `item_ids` lacks are masked; rows of other items are left out,
        so they never become candidates.

        Raises:
            ValueError: an id stands twice, shapes disagree, no id is an item of this dataset, or
                a number is not finite; of a matrix that is not copied, a recommender finds the
                latter.
        """
        real = np.ones(len(item_ids), bool) if mask is None else np.asarray(mask, bool)
        rows = np.asarray(matrix)
        _check(modality, item_ids, rows, real)
        tokens = self.field2id_token[self.iid_field]
        source = _rows_of(tokens, item_ids)  # (n_items,)
        if not (source >= 0).any():
            raise ValueError(f"{modality}: no item of its {len(item_ids)} is in this dataset")
        kept = torch.from_numpy((source >= 0) & real[source])  # (n_items,)
        given = GivenFeatures(modality, rows, kept, torch.from_numpy(source), tokens, content)
        if self.share is None or content is None:
            given.check()
            self.features[modality] = given.held()
        else:
            self.features[modality] = given

    def add_item_graph(self, item_ids: Sequence[str], row: Any, column: Any, value: Any) -> None:
        """Give the items a graph for the recommenders that build one from features otherwise.

        Args:
            item_ids: (n,) the item that each number in `row` and `column` means.
            row, column: (n_edges,) whole numbers below n. value: (n_edges,) numbers, used as given.

        Entries of items that are not in the dataset are left out.

        Raises:
            ValueError: lengths disagree, a number is no row of `item_ids`, a value is not finite,
                an entry stands twice, or no entry is left.
        """
        row, column, value = (np.asarray(each) for each in (row, column, value))
        _check_graph(len(item_ids), row, column, value)
        tokens = self.field2id_token[self.iid_field]
        place = {str(token): number for number, token in enumerate(tokens) if number}
        inner = np.array(
            [place.get(str(item), 0) for item in item_ids], np.int64
        )  # (n,) 0: not here
        row, column = inner[row], inner[column]
        kept = (row > 0) & (column > 0)
        if not kept.any():
            raise ValueError("item graph: none of its entries is of two items of this dataset")
        parts = row[kept], column[kept], value[kept].astype(np.float32)
        self.item_graph = Edges(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))

    def _load_inter_feat(self, token: str, dataset_path: str) -> None:
        super()._load_inter_feat(token, dataset_path)
        if self.left_out:
            self._leave_out()

    def _leave_out(self) -> None:
        names = self.benchmark_filename_list or ["all"]
        sizes = self.file_size_list if self.benchmark_filename_list else [len(self.inter_feat)]
        part = np.repeat(np.arange(len(sizes)), sizes)  # (n_interactions,)
        user, item = self.inter_feat[self.uid_field], self.inter_feat[self.iid_field]
        kept = ~item.isin(self.left_out).to_numpy()
        kept &= user.isin(user[kept & (part == 0)].unique()).to_numpy()
        left = np.bincount(part[kept], minlength=len(sizes))
        for name, count in zip(names, left, strict=True):
            if not count:
                told = f"without {len(self.left_out)} items the part '{name}' has no interaction"
                raise EmptyPartError(told)
        self.dropped = {
            "items": item.nunique() - item[kept].nunique(),
            "users": user.nunique() - user[kept].nunique(),
            "interactions": dict(zip(names, (np.asarray(sizes) - left).tolist(), strict=True)),
        }
        self.inter_feat = self.inter_feat[kept].reset_index(drop=True)
        self.file_size_list = left.tolist()

    def _fill_nan(self) -> None:
        """Fill missing numbers by their mean; RecBole's own does nothing from pandas 3 on."""
        for name in self.feat_name_list:
            feat = getattr(self, name)
            for field in feat:
                kind = self.field2type[field]
                if kind == FeatureType.TOKEN:
                    feat[field] = feat[field].fillna(0)
                elif kind == FeatureType.FLOAT:
                    feat[field] = feat[field].fillna(feat[field].mean())
                else:
                    empty = np.array([], np.int64 if kind == FeatureType.TOKEN_SEQ else np.float64)
                    cells = [empty if isinstance(cell, float) else cell for cell in feat[field]]
                    feat[field] = pd.Series(cells, index=feat.index, dtype=object)

    def _download(self) -> NoReturn:
        raise FileNotFoundError(f"no dataset folder at {Path(self.dataset_path).absolute()}")

    def _load_slowly(self, filepath: str, source: Any) -> pd.DataFrame | None:
        frame: pd.DataFrame | None = super()._load_feat(filepath, source)
        return frame

    def _load_feat(self, filepath: str, source: Any) -> pd.DataFrame | None:
        """Read interactions by the fast parser, which leaves the id "NA" an id."""
        if source != FeatureSource.INTERACTION:
            return self._load_slowly(filepath, source)
        wanted, _ = self._get_load_and_unload_col(source)
        with open(filepath, encoding=self.config["encoding"]) as file:
            header = file.readline().rstrip("\r\n").split(self.config["field_separator"])
        types = dict(field.rsplit(":", 1) for field in header)
        if any(kind.endswith("seq") for kind in types.values()):
            return self._load_slowly(filepath, source)
        kept = [name for name in types if wanted is None or name in wanted]
        for name in kept:
            self.field2source[name] = source
            self.field2type[name] = FeatureType(types[name])
            self.field2seqlen[name] = 1
            if types[name] == "float":
                self.field2bucketnum[name] = 2
        return _read_atomic(filepath, self.config, list(types), kept, types)


def _read_atomic(
    path: str, config: Config, columns: list[str], kept: list[str], types: dict[str, str]
) -> pd.DataFrame:
    tokens = [name for name in kept if types[name] == "token"]
    frame: pd.DataFrame = pd.read_csv(
        path,
        sep=config["field_separator"],
        encoding=config["encoding"],
        names=columns,
        usecols=kept,
        header=0,
        dtype={name: str if name in tokens else np.float64 for name in kept},
        keep_default_na=False,
        na_values={name: [""] for name in kept},
        quoting=3,  # a quotation mark is a part of an id like any other
    )
    return frame[kept]


def _rows_of(tokens: Sequence[str], item_ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the row of each item, (n_items,); -1 for the padding item and those without one."""
    place = {str(item): row for row, item in enumerate(item_ids)}
    return np.array([-1, *(place.get(str(token), -1) for token in tokens[1:])], np.int64)


def _check(modality: str, item_ids: Sequence[str], matrix: Any, mask: Any) -> None:
    if matrix.ndim != 2:
        raise ValueError(f"{modality}: expected (n_items, dim), got the shape {matrix.shape}")
    if not len(item_ids) == len(matrix) == len(mask):
        raise ValueError(
            f"{modality}: {len(item_ids)} item ids, {len(matrix)} rows, {len(mask)} mask values"
        )
    ids, counts = np.unique(np.asarray(item_ids, str), return_counts=True)
    if len(ids) < len(item_ids):
        raise ValueError(f"{modality}: the item id '{ids[counts > 1][0]}' stands twice")


def _check_graph(n: int, row: Any, column: Any, value: Any) -> None:
    if not len(row) == len(column) == len(value) or row.ndim != 1:
        raise ValueError(f"item graph: {len(row)} rows, {len(column)} columns, {len(value)} values")
    for name, numbers in (("row", row), ("col", column)):
        if not np.issubdtype(numbers.dtype, np.integer):
            raise ValueError(f"item graph: '{name}' must be whole numbers, not {numbers.dtype}")
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < n:
            raise ValueError(
                f"item graph: '{name}' must lie from 0 to {n - 1}, one below the items"
            )
    if not np.isfinite(value).all():
        raise ValueError("item graph: 'val' holds numbers that are not finite")
    if len(np.unique(row.astype(np.int64) * n + column)) < len(row):
        raise ValueError("item graph: an entry stands twice")
