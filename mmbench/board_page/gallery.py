"""A gallery: what a few users took, what was held out, and what each system recommended them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mmbench.board.groups import PRINT
from mmbench.board_page.histories import History, histories, timed
from mmbench.board_page.names import Named
from mmbench.dataset_report.catalogue import Catalogue
from mmbench.datasets.dataset import Dataset
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.lists import listed

TOP = 10  # of a list
TAKEN, HELD_OUT = 12, 24  # items of a user that are shown
_TITLE = 120  # letters
Lists = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Hung:
    """A system whose lists are shown: its cell, the seed of the record, user → item ids."""

    named: Named
    seed: int
    lists: Lists


@dataclass(frozen=True)
class Piece:
    """An item: its title, and the file of its picture, None where it has none."""

    title: str
    picture: Path | None


@dataclass(frozen=True)
class Gallery:
    """What is shown of one dataset under one protocol.

    systems: in the order of the table. without: names of those that keep no lists.
    users: user → what they took. items: every item that is shown, by its id.
    timed: whether the latest interactions are known.
    """

    systems: tuple[Hung, ...]
    without: tuple[str, ...]
    users: Mapping[str, History]
    items: Mapping[str, Piece]
    timed: bool


def gallery(cells: Sequence[Named], home: Home, n_users: int) -> Gallery:
    """Return the gallery of some cells, all of one dataset and protocol.

    Each is shown by its record of the lowest seed that keeps lists. The users are those with lists
    in all of them that have the lowest hashes: how well it went for them does not choose them.

    Raises:
        UsageError: no record keeps lists, no user is in all of them, or the dataset is not in the
            home as the records had it.
    """
    found = {each.id: _hung(each) for each in cells if each.cell.records}
    systems = tuple(hung for hung in found.values() if hung)
    users = _users(systems, n_users)
    dataset = _dataset(cells[0], home)
    taken = histories(dataset, users)
    wanted = [item for user in users for item in _shown(user, taken[user], systems)]
    without = tuple(each.name for each in cells if each.cell.records and not found[each.id])
    return Gallery(systems, without, taken, _pieces(dataset, wanted), timed(dataset))


def _hung(each: Named) -> Hung | None:
    for record in each.cell.records:
        if lists := listed(record):
            return Hung(each, int(record.trial["seed"]), lists)
    return None


def _users(systems: Sequence[Hung], n: int) -> list[str]:
    """Return the users that are shown, by name."""
    if not systems:
        raise UsageError(
            "the records keep no lists of what was recommended, as those from before lists were "
            "kept; `mmbench run --from RECORD.json --force` makes one anew"
        )
    shared = set.intersection(*(set(hung.lists) for hung in systems))
    if not shared:
        raise UsageError("no user has a list in all records: they ranked different users")
    drawn = sorted(shared, key=lambda user: sha256(user.encode("utf-8", "replace")).digest())[:n]
    return sorted(drawn, key=lambda user: (len(user), user))


def _dataset(each: Named, home: Home) -> Dataset:
    record = (*each.cell.records, *each.cell.broken)[0]
    name = str(record.trial["dataset"])  # without the version that a table may set behind it
    dataset = Dataset.load(home, name)
    if dataset.fingerprint != each.cell.version:
        raise UsageError(
            f"the dataset '{name}' in {home.root} is version {dataset.fingerprint[:PRINT]}, the "
            f"records are of {each.cell.version[:PRINT]}: name the home that has it with --home"
        )
    for line in dataset.damage():
        raise UsageError(f"{line}: prepare the dataset again with --force")
    return dataset


def _shown(user: str, taken: History, systems: Iterable[Hung]) -> list[str]:
    lists = [item for hung in systems for item in hung.lists[user][:TOP]]
    return [*taken.train[:TAKEN], *taken.test[:HELD_OUT], *lists]


def _pieces(dataset: Dataset, wanted: Iterable[str]) -> dict[str, Piece]:
    ids = list(dict.fromkeys(wanted))
    catalogue = Catalogue.open(dataset.folder)
    rows = pc.index_in(pa.array(ids, pa.string()), value_set=catalogue.ids).to_pylist()
    texts = catalogue.texts_of([row for row in rows if row is not None])
    found = {}
    for item, row in zip(ids, rows, strict=True):
        title, text = texts.get(row, (None, None))
        path = catalogue.images[row].as_py() if row is not None else None
        found[item] = Piece(_title(item, title, text), dataset.folder / path if path else None)
    return found


def _title(item: str, title: str | None, text: str | None) -> str:
    """Return what an item is called: its title, else the first line of its text, else its id."""
    told = (title or text or "").strip().split("\n", 1)[0] or item
    return told if len(told) <= _TITLE else told[:_TITLE].rstrip() + "…"
