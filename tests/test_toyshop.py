import re
from hashlib import sha256
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from mmbench.datasets import toyshop
from mmbench.datasets.toyshop import MATERIALS, SEEN, STYLES, VALUES, Toyshop, ToyshopOptions
from mmbench.datasets.toyshop_pictures import PATTERNS, SIDE, Dice, draw
from mmbench.datasets.toyshop_visits import draw_visits
from mmbench.errors import UsageError
from mmbench.progress import Silent
from mmbench.specs import dataset_spec, parse

GOLDEN = {
    "interactions": "c677fe5d300882981592ddbd0d901ffb8515b88ffb4902e452f373a9bfa2ee09",
    "texts": "413aa4d8394b76fec3a9fc8111974fb186265576af7e2072ff2ecda7a19114ad",
    "pictures": "bbff7601d572b36a4f890c43c2e8e8cea66aaad225004d59988371264f0298ee",
}


def make(folder, users, items, seed):
    options = ToyshopOptions(users=users, items=items, seed=seed)
    return Toyshop().collect(options, folder, Silent())


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make(tmp_path_factory.mktemp("shop"), users=60, items=100, seed=3)


def hashes(raw):
    visits = raw.interactions.astype(str).agg("\t".join, axis=1)
    texts = raw.items[["item_id", "title", "text"]].astype(str).agg("\t".join, axis=1)
    contents = {
        "interactions": "\n".join(visits).encode(),
        "texts": "\n".join(texts).encode(),
        "pictures": b"".join(raw.pictures[item].read_bytes() for item in sorted(raw.pictures)),
    }
    return {name: sha256(content).hexdigest() for name, content in contents.items()}


def test_same_options_give_the_same_bytes_everywhere(tmp_path):
    assert hashes(make(tmp_path, users=20, items=24, seed=7)) == GOLDEN


def test_another_seed_gives_another_shop(tmp_path):
    other = hashes(make(tmp_path, users=20, items=24, seed=8))
    assert not set(other.values()) & set(GOLDEN.values())


def test_ids_are_numbers_in_order(shop):
    assert shop.items["item_id"].tolist() == [f"i{n:04d}" for n in range(1, 101)]
    assert sorted(set(shop.interactions["user_id"])) == [f"u{n:04d}" for n in range(1, 61)]
    assert set(shop.interactions["item_id"]) <= set(shop.items["item_id"])


def test_every_user_takes_enough_distinct_items_in_order_of_time(shop):
    assert shop.interactions["timestamp"].dtype == np.int64
    sizes = shop.interactions.groupby("user_id").size()
    assert sizes.min() >= 8
    assert 12 <= sizes.mean() <= 16
    assert not shop.interactions.duplicated(["user_id", "item_id"]).any()
    for _, visits in shop.interactions.groupby("user_id"):
        assert (visits["timestamp"].diff().dropna() > 0).all()


def test_some_items_lack_a_picture_or_a_text_but_never_both(shop):
    unseen = set(shop.items["item_id"]) - set(shop.pictures)
    assert shop.items["title"].isna().equals(shop.items["text"].isna())
    unread = set(shop.items.loc[shop.items["title"].isna(), "item_id"])
    assert len(unseen) == len(unread) == 4
    assert not unseen & unread


def test_pictures_open_as_palette_images(shop):
    for item, path in shop.pictures.items():
        with Image.open(path) as image:
            assert (path.name, image.format, image.mode) == (f"{item}.bmp", "BMP", "P")
            assert image.size == (SIDE, SIDE)


def test_no_text_names_what_can_be_seen(shop):
    seen = [word for name in SEEN for word in VALUES[name]]
    stems = [word.removesuffix("s") if word in PATTERNS else word for word in seen]
    forbidden = re.compile(rf"\b({'|'.join(stems)})(s|es|d|ed|ted|y)?\b", re.IGNORECASE)
    assert forbidden.search("A striped mug.")
    table = [toyshop.THINGS, toyshop.MOODS, toyshop.NAMES, toyshop.TITLES, toyshop.BRANDS]
    table += [toyshop.ON_BRAND, toyshop.ON_MATERIAL, toyshop.ON_STYLE, toyshop.ASIDES]
    table += [*MATERIALS.values(), *STYLES.values()]
    texts = [*shop.items["title"].dropna(), *shop.items["text"].dropna(), *sum(table, ())]
    assert [text for text in texts if forbidden.search(text)] == []


def test_a_text_tells_all_that_can_be_read(shop):
    for row in shop.items.dropna(subset="text").itertuples():
        told = row.text.lower()
        assert row.brand.lower() in told
        assert any(phrase.lower() in told for phrase in MATERIALS[row.material])
        assert any(phrase.lower() in told for phrase in STYLES[row.style])


@pytest.mark.parametrize("attribute", SEEN)
def test_every_value_that_can_be_seen_changes_the_picture(attribute):
    pictures = [picture(**{attribute: value}) for value in VALUES[attribute]]
    for one, other in combinations(pictures, 2):
        assert (abs(one - other).max(axis=2) > 20).mean() > 0.02


def test_the_mean_colour_follows_the_colour():
    red, green, blue = (picture(colour=name).mean(axis=(0, 1)) for name in ("red", "green", "blue"))
    assert [rgb.argmax() for rgb in np.transpose([red, green, blue])] == [0, 1, 2]


def picture(kind="mug", colour="red", pattern="plain", shape="circle"):
    image = draw(kind, colour, pattern, shape, Dice(np.random.RandomState(1)))
    return np.asarray(image.convert("RGB"), np.int64)


def test_users_take_what_they_like_of_what_can_be_seen_and_read():
    stream, sizes = np.random.RandomState(0), {name: len(VALUES[name]) for name in VALUES}
    codes = {name: stream.randint(0, size, 400, dtype=np.int64) for name, size in sizes.items()}
    visits = draw_visits(codes, sizes, 300, stream)
    for code in codes.values():
        by_chance = agreement(visits, stream.permutation(code))
        assert agreement(visits, code) > 1.1 * by_chance


def agreement(visits, code):
    """How often two items that one user took have the same value, on average."""
    counts = np.zeros((visits.user.max() + 1, code.max() + 1))
    np.add.at(counts, (visits.user, code[visits.item]), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return (shares**2).sum(axis=1).mean()


@pytest.mark.parametrize(
    ("key", "value"), [("users", 0), ("items", 23), ("seed", -1), ("seed", 2**32), ("size", 3)]
)
def test_options_out_of_range_are_refused(key, value):
    with pytest.raises(UsageError, match=f"prepare toyshop.*{key}"):
        parse(ToyshopOptions, {"users": 9, "items": 30, "seed": 1, key: value}, "prepare toyshop")


def test_the_default_shop_is_ready_to_be_made():
    spec = dataset_spec("toyshop")
    assert spec.ready
    assert parse(ToyshopOptions, spec.options, "toyshop") == ToyshopOptions(
        users=1000, items=600, seed=1
    )
