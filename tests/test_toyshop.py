from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from mmbench.datasets import toyshop
from mmbench.datasets.toyshop import SEEN, Toyshop, ToyshopOptions
from mmbench.datasets.toyshop_pictures import Dice, draw
from mmbench.progress import Silent

GOLDEN = {
    "interactions": "",
    "texts": "",
    "pictures": "",
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


def test_an_item_does_not_depend_on_the_size_of_the_shop(tmp_path):
    stream = np.random.RandomState([7, toyshop.PICTURES, 0])
    items = make(tmp_path, users=1, items=24, seed=7)
    first = items.items.iloc[0]
    picture = draw(*(first[name] for name in SEEN), Dice(stream))
    assert np.array_equal(picture, Image.open(items.pictures["i0001"]))
