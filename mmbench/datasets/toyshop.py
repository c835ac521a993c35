"""A small shop made by a seed: drawn pictures, written texts, users with tastes for both.

It needs no download, and its true attributes are known, so that the effect of an encoder can be
proved: some attributes can only be seen, the others only be read. The same options give the same
bytes on every machine.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from mmbench.datasets.raw import RawDataset
from mmbench.datasets.toyshop_pictures import COLOURS, KINDS, PATTERNS, SHAPES, Dice, draw
from mmbench.datasets.toyshop_visits import Integers, draw_visits
from mmbench.progress import Progress
from mmbench.specs import Spec

ATTRIBUTES, LOSSES, TEXTS, PICTURES, VISITS = range(5)  # streams of a seed
LOST = 25  # one item in so many lacks its picture, another one its text

BRANDS = (
    "Alderwick", "Bramblecote", "Corvane", "Dellworth", "Emberly",
    "Fennimore", "Gosthwaite", "Hollisander", "Ivenmoor", "Junella",
)  # fmt: skip
MATERIALS: Mapping[str, Sequence[str]] = {
    "wood": ("oak", "beech wood", "solid birch"),
    "tin": ("tin", "tinplate", "pressed steel"),
    "glass": ("glass", "blown glass", "cut crystal"),
    "clay": ("stoneware", "fired clay", "porcelain"),
    "felt": ("felt", "wool felt", "boiled wool"),
    "paper": ("card", "folded paper", "paper pulp"),
    "wicker": ("wicker", "woven willow", "rattan"),
    "rubber": ("rubber", "natural latex", "soft silicone"),
}
STYLES: Mapping[str, Sequence[str]] = {
    "rustic": ("rustic", "farmhouse", "country"),
    "nautical": ("nautical", "seaside", "harbour"),
    "royal": ("royal", "palace", "courtly"),
    "cosmic": ("cosmic", "space-age", "rocket-era"),
    "minimal": ("minimalist", "pared-back", "Nordic"),
    "retro": ("retro", "vintage", "mid-century"),
    "circus": ("circus", "fairground", "carnival"),
    "woodland": ("woodland", "forest", "fairy-tale"),
}
VALUES: Mapping[str, Sequence[str]] = {
    "kind": tuple(KINDS),
    "colour": tuple(COLOURS),
    "pattern": tuple(PATTERNS),
    "shape": tuple(SHAPES),
    "brand": BRANDS,
    "material": tuple(MATERIALS),
    "style": tuple(STYLES),
}
SEEN, READ = ("kind", "colour", "pattern", "shape"), ("brand", "material", "style")

# A text may name no kind, colour, pattern or shape; the test reads every one.
THINGS = ("keepsake", "piece", "miniature", "collectible", "treasure", "gift", "model", "plaything")
MOODS = ("small", "charming", "cheerful", "playful", "tiny", "much-loved", "curious", "sturdy")
NAMES = ("Otto", "Pip", "Wilma", "Bertie", "Dora", "Hugo", "Nell", "Toby", "Edith", "Ludo", "Mabel")
TITLES = (
    "{brand} {style} {thing} in {material}",
    "{name}, a {mood} {material} {thing}",
    "{brand} '{name}' {thing}, {style}",
    "{mood} {style} {thing} No. {number} by {brand}",
    "The {name} {thing} from {brand}",
    "{style} {thing}, {material}, series {number}",
    "{name} – {mood} {thing} ({brand})",
)
ON_BRAND = (
    "From the workshop of {brand}.",
    "{brand} has been making small things since {year}.",
    "Every {brand} {thing} is signed underneath.",
    "Designed, packed and sent by {brand}.",
)
ON_MATERIAL = (
    "Made of {material} by hand, so no two are quite alike.",
    "The {material} is finished smooth and feels pleasant to hold.",
    "We chose {material} because it lasts for years of play.",
    "Hand-worked {material} throughout, {mood} to the last detail.",
)
ON_STYLE = (
    "A {style} mood that suits shelves and windowsills alike.",
    "Anyone with a {style} corner at home will find a spot for it.",
    "Its {style} look took our designers {few} winters.",
    "Think {style}, only smaller.",
)
ASIDES = (
    "Suitable from the age of {few}.",
    "Wipe with a damp cloth and do not soak.",
    "Leaves our warehouse within {few} working days.",
    "Gift wrapping can be chosen at the till.",
    "Returns are free for thirty days.",
    "Batch number {number}.",
    "A favourite with grandparents and collectors.",
    "About {few} cm tall.",
    "Goes well with anything from {other_brand}.",
    "The display stand, sold apart, is made of {other_material}.",
    "One customer wrote: better than in the photograph.",
    "Won a regional toy award not long ago.",
    "One a household, please.",
)


class ToyshopOptions(Spec):
    """How large the shop is, and the seed it is made by."""

    users: int = Field(description="how many users come to the shop", ge=1, le=1_000_000)
    items: int = Field(description="how many items it sells", ge=24, le=100_000)
    seed: int = Field(description="what pictures, texts and visits are drawn by", ge=0, lt=2**32)


class Toyshop:
    """The source `toyshop`: makes everything, reads nothing."""

    Options = ToyshopOptions

    def collect(self, options: ToyshopOptions, scratch: Path, progress: Progress) -> RawDataset:
        """Make the shop; its pictures are drawn into `scratch` as <item id>.bmp."""
        stream, ids = _stream(options.seed, ATTRIBUTES), _ids("i", options.items)
        codes = {
            name: stream.randint(0, len(values), options.items, dtype=np.int64)
            for name, values in VALUES.items()
        }
        shuffled = _stream(options.seed, LOSSES).permutation(options.items)
        lost = options.items // LOST or 1
        unseen, unread = set(shuffled[:lost].tolist()), set(shuffled[lost : 2 * lost].tolist())
        items = _items(ids, codes, unread, options.seed)
        return RawDataset(
            interactions=_interactions(ids, codes, options),
            items=items,
            pictures=_draw_all(items, unseen, options.seed, scratch, progress),
            source=f"toyshop, made by mmbench with seed {options.seed}",
            licence="MIT, as mmbench itself",
            attributes={"image": SEEN, "text": READ},
        )


def _stream(seed: int, *purpose: int) -> np.random.RandomState:
    # NumPy promises that the numbers of a RandomState never change; a Generator may.
    return np.random.RandomState([seed, *purpose])


def _ids(letter: str, count: int) -> list[str]:
    width = max(4, len(str(count)))  # so that their order as text is their order
    return [f"{letter}{number:0{width}d}" for number in range(1, count + 1)]


def _items(
    ids: list[str], codes: Mapping[str, Integers], unread: set[int], seed: int
) -> pd.DataFrame:
    columns = {name: [VALUES[name][code] for code in codes[name]] for name in VALUES}
    truths = zip(columns["brand"], columns["material"], columns["style"], strict=True)
    texts: list[tuple[str | None, str | None]] = [
        (None, None) if row in unread else _write(*truth, Dice(_stream(seed, TEXTS, row)))
        for row, truth in enumerate(truths)
    ]
    title, text = (np.array(part, dtype=object) for part in zip(*texts, strict=True))
    return pd.DataFrame({"item_id": ids, "title": title, "text": text, **columns})


def _write(brand: str, material: str, style: str, dice: Dice) -> tuple[str, str]:
    """Return the title and the text of an item."""
    words = {
        "brand": brand,
        "material": dice.one(MATERIALS[material]),
        "style": dice.one(STYLES[style]),
        "thing": dice.one(THINGS),
        "mood": dice.one(MOODS),
        "name": dice.one(NAMES),
    }
    told = [dice.one(sentences) for sentences in (ON_BRAND, ON_MATERIAL, ON_STYLE)]
    told += dice.shuffled(ASIDES)[: dice.within(1, 4)]
    text = " ".join(_fill(sentence, words, dice) for sentence in dice.shuffled(told))
    return _fill(dice.one(TITLES), words, dice), text


def _fill(template: str, words: Mapping[str, str], dice: Dice) -> str:
    sentence = template.format(
        few=dice.within(3, 14),
        number=dice.within(2, 99),
        year=dice.within(1890, 2020),
        other_brand=dice.one(BRANDS),
        other_material=dice.one(dice.one(tuple(MATERIALS.values()))),
        **words,
    )
    return sentence[0].upper() + sentence[1:]


def _draw_all(
    items: pd.DataFrame, unseen: set[int], seed: int, scratch: Path, progress: Progress
) -> dict[str, Path]:
    pictures = {}
    rows = items[["item_id", *SEEN]].itertuples(index=False)
    for row, (item, kind, colour, pattern, shape) in enumerate(rows):
        if row not in unseen:
            pictures[item] = scratch / f"{item}.bmp"
            image = draw(kind, colour, pattern, shape, Dice(_stream(seed, PICTURES, row)))
            image.save(pictures[item])
        progress.advance("drawing", row + 1, len(items))
    return pictures


def _interactions(
    ids: list[str], codes: Mapping[str, Integers], options: ToyshopOptions
) -> pd.DataFrame:
    sizes = {name: len(values) for name, values in VALUES.items()}
    visits = draw_visits(codes, sizes, options.users, _stream(options.seed, VISITS))
    users = np.array(_ids("u", options.users), dtype=object)
    return pd.DataFrame(
        {
            "user_id": users[visits.user],
            "item_id": np.array(ids, dtype=object)[visits.item],
            "timestamp": visits.timestamp,
        }
    )
