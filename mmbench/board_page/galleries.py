"""The galleries of a page: their sections, and what the script fills them with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from mmbench.board_page.embedded import embedded
from mmbench.board_page.gallery import HELD_OUT, TAKEN, TOP, Gallery, gallery
from mmbench.board_page.histories import History
from mmbench.board_page.names import Named
from mmbench.board_page.thumbnails import Thumbnail, thumbnails
from mmbench.errors import UsageError
from mmbench.home import Home

HEADING = "what users were recommended"
Place = tuple[int, str]  # number of the table, dataset


@dataclass(frozen=True)
class Galleries:
    """What was hung, and where.

    found: place → its gallery, or why there is none. pictures: those of all galleries.
    """

    found: Mapping[Place, Gallery | str]
    pictures: Mapping[Path, Thumbnail]

    def section(self, place: Place, prefix: str) -> str:
        """Return the section of a place; `prefix` begins its heading."""
        what, number = self.found[place], list(self.found).index(place)
        body = _why(what) if isinstance(what, str) else self._body(what, number)
        shape = f"--shape: {self._shape(what):.3f}"
        return (
            f'<section class="figure gallery" id="gallery-{number}" data-gallery="{number}" '
            f'style="{shape}"><h3>{escape(prefix)}{HEADING}</h3>{body}</section>'
        )

    def links(self) -> list[tuple[str, str]]:
        """Return the id and the name of each section that has a gallery."""
        return [
            (f"gallery-{number}", f"{dataset}: {HEADING}")
            for number, ((_, dataset), what) in enumerate(self.found.items())
            if isinstance(what, Gallery)
        ]

    def values(self) -> str:
        """Return what the script fills the sections with, each picture in it once."""
        places = {a: n for n, a in enumerate(dict.fromkeys(self._addresses()))}
        told = [None if isinstance(w, str) else self._told(w, places) for w in self.found.values()]
        return embedded({"pictures": list(places), "galleries": told}, "galleries")

    def _addresses(self) -> list[str]:
        return [picture.address for picture in self.pictures.values() if picture.address]

    def _shape(self, what: Gallery | str) -> float:
        """Return the usual shape of the pictures, so that their frames fit them."""
        pieces = () if isinstance(what, str) else what.items.values()
        known = [self.pictures[piece.picture].shape for piece in pieces if piece.picture]
        return min(max(median([shape for shape in known if shape] or [1.0]), 0.6), 1.8)

    def _body(self, what: Gallery, number: int) -> str:
        models = list(dict.fromkeys(hung.named.cell.model for hung in what.systems))
        told = [
            f"Users drawn by their ids, not by how it went. The first {TOP} items of each list; a "
            "hit is an item of the test part, which was held out from training."
        ]
        if what.without:
            told.append(f"Without lists, and not shown: {', '.join(what.without)}.")
        words = "".join(f'<p class="pale">{escape(line)}</p>' for line in told)
        return (
            f'{words}<p class="choices">{_choice("user", number, list(what.users))}'
            f"{_choice('recommender', number, models)}"
            f'<span role="status" aria-live="polite"></span></p><div class="hung"></div>'
        )

    def _told(self, what: Gallery, places: Mapping[str, int]) -> dict[str, Any]:
        numbers = {item: number for number, item in enumerate(what.items)}
        models = list(dict.fromkeys(hung.named.cell.model for hung in what.systems))
        return {
            "timed": what.timed,
            "models": models,
            "items": [
                [piece.title, *self._picture(piece.picture, places)]
                for piece in what.items.values()
            ],
            "systems": [
                {
                    "model": models.index(hung.named.cell.model),
                    "label": hung.named.label,
                    "seed": hung.seed,
                }
                for hung in what.systems
            ],
            "users": [_user(what, user, taken, numbers) for user, taken in what.users.items()],
        }

    def _picture(self, path: Path | None, places: Mapping[str, int]) -> tuple[int, str]:
        """Return the place of a picture, -1 and the reason where there is none."""
        if path is None:
            return -1, "no picture"
        picture = self.pictures[path]
        return (places[picture.address], "") if picture.address else (-1, picture.trouble)


def galleries(tables: Sequence[Mapping[str, Sequence[Named]]], home: Home, users: int) -> Galleries:
    """Return the galleries of some tables, one a dataset of each.

    Args:
        tables: dataset → its cells, of each table. home: where the datasets are. users: how many.
    """
    found: dict[Place, Gallery | str] = {}
    for number, datasets in enumerate(tables):
        for dataset, cells in datasets.items():
            try:
                found[number, dataset] = gallery(cells, home, users)
            except UsageError as error:
                found[number, dataset] = str(error)
    pieces = [p for one in found.values() if isinstance(one, Gallery) for p in one.items.values()]
    return Galleries(found, thumbnails(piece.picture for piece in pieces if piece.picture))


def _why(reason: str) -> str:
    return f'<p class="pale">No gallery: {escape(reason)}.</p>'


def _choice(noun: str, number: int, names: Sequence[str]) -> str:
    lines = "".join(
        f'<option value="{place}">{escape(name)}</option>' for place, name in enumerate(names)
    )
    id_ = f"{noun}-{number}"
    return (
        f'<label for="{id_}">{noun.capitalize()}</label>'
        f'<select id="{id_}" class="{noun}" autocomplete="off">{lines}</select>'
    )


def _user(what: Gallery, user: str, taken: History, numbers: Mapping[str, int]) -> dict[str, Any]:
    lists = [hung.lists[user][:TOP] for hung in what.systems]
    return {
        "name": user,
        "train": len(taken.train),
        "test": len(taken.test),
        "taken": [numbers[item] for item in taken.train[:TAKEN]],
        "held": [numbers[item] for item in taken.test[:HELD_OUT]],
        "lists": [[numbers[item] for item in items] for items in lists],
        "hits": [_hits(items, taken) for items in lists],
    }


def _hits(items: Sequence[str], taken: History) -> list[int]:
    """Return the places of the items that the test part has."""
    return [place for place, item in enumerate(items) if item in taken.test]
