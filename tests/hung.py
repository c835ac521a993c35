"""A small shop with pictures, and records that keep what its users were recommended."""

import csv
import json
import re

import numpy as np
import pandas as pd
from board_records import add
from PIL import Image

from mmbench.datasets.prepare import prepare
from mmbench.records import read_record

EVIL = "<script>document.title = 'run'</script><img src=x onerror=alert(1)> \"'&amp;"
QUOTED = '"o\'brien" <b>&'
USERS = (QUOTED, "2", "10")
BARE, UNREAD, TWIN = "i5", "i6", "i7"  # no picture, one that is none, that of i0 once more


def shop(home, **options):
    """Prepare the dataset `shop`: ten items, three users, and times that are not in order."""
    (home / "images").mkdir(parents=True)
    ids = [f"i{place}" for place in range(10)]
    dice = np.random.RandomState(0)
    pixels = {item: dice.randint(0, 256, (60, 40, 3), np.uint8) for item in ids}
    pixels[TWIN] = pixels["i0"]
    for item in ids:
        if item not in (BARE, UNREAD):
            Image.fromarray(pixels[item]).save(home / "images" / f"{item}.png")
    (home / "images" / f"{UNREAD}.png").write_bytes(b"no picture")
    titles = [EVIL, *(f"toy {place}" for place in range(1, 10))]
    items = pd.DataFrame({"sku": ids, "title": titles, "about": "a toy"})
    items.to_csv(home / "items.csv", index=False)
    visits = [
        (user, item, int(time))
        for user in USERS
        for item, time in zip(ids, dice.permutation(len(ids)), strict=True)
        if not (user == "2" and item == "i9")
    ]
    pd.DataFrame(visits, columns=["user", "sku", "when"]).to_csv(home / "visits.csv", index=False)
    files = {name: str(home / f"{name}.csv") for name in ("items",)}
    columns = {"user_col": "user", "item_col": "sku", "title_col": "title", "text_cols": "about"}
    times = options.pop("times", True)
    return prepare(
        "folder", name="shop", home=home, interactions=str(home / "visits.csv"),
        images=str(home / "images"), k_core=0, **files, **columns,
        **({"time_col": "when"} if times else {}), **options,
    )  # fmt: skip


def part(dataset, name):
    """Return user → [(item, time)] of a part, as its file says."""
    found = {}
    with (dataset.folder / f"shop.{name}.inter").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        for user, item, time in rows:
            found.setdefault(user, []).append((item, float(time)))
    return found


def record(home, dataset, model, encoder, seed, lists=None, **changed):
    """Write a record of a dataset into the home; `lists`: user → item ids."""
    folder = home / "results"
    path = add(folder, model, encoder, seed, 0.1, version=dataset.fingerprint, **changed)
    if lists is not None:
        users = list(lists)
        items = np.array([[*lists[user], ""] for user in users])
        arrays = {"listed-users": np.array(users), "listed-items": items}
        np.savez_compressed(path.with_suffix(".npz"), allow_pickle=False, **arrays)
    return read_record(path)


def filled(home, dataset):
    """Write records of two recommenders with two encoders, whose lists differ; return them all."""
    ids = [f"i{place}" for place in range(10)]
    told = {}
    for place, (model, encoder) in enumerate(
        (model, encoder) for model in ("VBPR", "BPR") for encoder in ("classic", EVIL)
    ):
        lists = {user: np.roll(ids, place * 3 + n).tolist()[:6] for n, user in enumerate(USERS)}
        told[model, encoder] = lists
        record(home, dataset, model, encoder, 1, lists)
    return told


def held(text):
    """Return the values of the galleries that a page holds."""
    return json.loads(re.search(r'id="galleries">(.*?)</script>', text, re.DOTALL)[1])
