"""From files to a dataset folder: counted, checked, split once, and identified by its content."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmbench.datasets import SOURCES
from mmbench.datasets.dataset import Dataset, prepared
from mmbench.datasets.prepare import prepare
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.specs import dataset_spec, names


@pytest.fixture
def files(tmp_path):
    """A person's shop: 30 users, 12 items, two tables and a folder of pictures."""
    rng = np.random.RandomState(0)
    pairs = [(f"u{u}", f"p/{i}") for u in range(30) for i in rng.permutation(12)[:7]]
    visits = pd.DataFrame(pairs, columns=["who", "what"])
    visits["stars"] = rng.randint(1, 6, len(visits))
    visits["when"] = 1_600_000_000 + rng.permutation(len(visits))
    visits.to_csv(tmp_path / "visits.csv", index=False)
    items = pd.DataFrame({"what": [f"p/{i}" for i in range(12)]})
    items["name"] = [f"Lamp {i}" if i != 3 else "" for i in range(12)]
    items["picture"] = [f"{i}.png" for i in range(12)]
    items.to_json(tmp_path / "items.jsonl", orient="records", lines=True)
    (tmp_path / "pictures").mkdir()
    for i in range(10):  # items 10 and 11 name a picture that is not there
        Image.new("RGB", (8, 8), (i * 20, 0, 0)).save(tmp_path / "pictures" / f"{i}.png")
    return tmp_path


def options(files, **changed):
    given = {
        "name": "mine",
        "interactions": str(files / "visits.csv"),
        "items": str(files / "items.jsonl"),
        "images": str(files / "pictures"),
        "user_col": "who",
        "item_col": "what",
        "time_col": "when",
        "title_col": "name",
        "image_col": "picture",
        "k_core": 2,
    }
    return {**given, **changed}


def test_a_persons_own_files(files, tmp_path):
    made = prepare("folder", home=Home(tmp_path / "home"), **options(files))
    counts = made.manifest["counts"]
    assert counts["users"] == 30
    assert counts["interactions"] == counts["train"] + counts["valid"] + counts["test"] == 210
    assert counts["items_without_text"] == 1
    assert counts["items_without_image"] == 2
    assert set(made.manifest["unreadable_pictures"]) == {"p/10", "p/11"}
    catalog = made.catalog
    row = catalog.ids.index("p/7")
    assert catalog.text(row) == "Lamp 7"
    assert catalog.picture(row).getpixel((0, 0)) == (140, 0, 0)
    assert catalog.picture(catalog.ids.index("p/10")) is None
    assert catalog.text(catalog.ids.index("p/3")) is None


def test_the_folder_is_that_of_the_design(files, tmp_path):
    made = prepare("folder", home=Home(tmp_path / "home"), **options(files))
    top = {path.name for path in made.folder.iterdir()}
    parts = {f"mine.{part}.inter" for part in ("train", "valid", "test")}
    assert top == parts | {"dataset.json", "items.parquet", "images", "images.sha256"}
    header = (made.folder / "mine.train.inter").read_text().splitlines()[0]
    assert header == "user_id:token\titem_id:token\ttimestamp:float"
    assert made.damage() == []
    (made.folder / "mine.test.inter").write_text("changed")
    assert len(made.damage()) == 1
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["datasets"]


def test_times_keep_every_digit(files, tmp_path):
    made = prepare("folder", home=Home(tmp_path / "home"), **options(files))
    written = pd.concat(
        pd.read_csv(made.folder / f"mine.{part}.inter", sep="\t", names=["u", "i", "t"], header=0)
        for part in ("train", "valid", "test")
    )
    assert written["t"].dtype == np.int64
    assert set(written["t"]) == set(pd.read_csv(files / "visits.csv")["when"])


def test_the_content_is_the_identity(files, tmp_path):
    first = prepare("folder", home=Home(tmp_path / "a"), **options(files))
    shuffled = pd.read_csv(files / "visits.csv").sample(frac=1, random_state=1)
    shuffled.to_csv(files / "visits.csv", index=False)
    again = prepare("folder", home=Home(tmp_path / "b"), **options(files))
    assert again.fingerprint == first.fingerprint
    Image.new("RGB", (8, 8), (0, 9, 0)).save(files / "pictures" / "0.png")
    other = prepare("folder", home=Home(tmp_path / "c"), **options(files))
    assert other.fingerprint != first.fingerprint


def test_the_manifest_tells_how_it_was_made(files, tmp_path):
    chosen = options(files, rating_col="stars", rating_min=2)
    told = prepare("folder", home=Home(tmp_path / "home"), **chosen).manifest
    assert told["options"]["rating_min"] == 2
    assert told["options"]["k_core"] == 2
    assert told["options"]["user_col"] == "who"
    assert set(told["inputs"]) == {"visits.csv", "items.jsonl"}


def test_lists_in_parquet_become_text(files, tmp_path):
    items = pd.read_json(files / "items.jsonl", lines=True)
    items["tags"] = [["red", "shoe"] if i % 2 else ["lone"] for i in range(len(items))]
    items.to_parquet(files / "items.parquet")
    chosen = options(files, items=str(files / "items.parquet"), text_cols="tags")
    catalog = prepare("folder", home=Home(tmp_path / "home"), **chosen).catalog
    assert catalog.text(catalog.ids.index("p/1")) == "Lamp 1\nred, shoe"
    assert catalog.text(catalog.ids.index("p/2")) == "Lamp 2\nlone"


def test_low_ratings_are_no_positives(files, tmp_path):
    chosen = options(files, rating_col="stars", rating_min=4, k_core=0)
    made = prepare("folder", home=Home(tmp_path / "home"), **chosen)
    stars = pd.read_csv(files / "visits.csv")["stars"]
    assert made.manifest["counts"]["interactions"] == (stars >= 4).sum()
    assert made.manifest["filtered"]["below_rating_min"] == (stars < 4).sum()


def test_unknown_items_are_refused_or_dropped(files, tmp_path):
    with (files / "visits.csv").open("a") as file:
        file.write("u1,ghost,5,1600000000\n")
    home = Home(tmp_path / "home")
    with pytest.raises(UsageError, match=r"'ghost'.*--unknown-items drop"):
        prepare("folder", home=home, **options(files))
    assert prepared(home) == []
    made = prepare("folder", home=home, **options(files, unknown_items="drop"))
    assert made.manifest["filtered"]["unknown_items"] == 1


def test_repeated_items_are_refused(files, tmp_path):
    lines = (files / "items.jsonl").read_text()
    (files / "items.jsonl").write_text(lines + lines.splitlines()[4] + "\n")
    with pytest.raises(UsageError, match=r"'p/4' stands twice"):
        prepare("folder", home=Home(tmp_path / "home"), **options(files))


def test_pictures_are_found_by_item_id(files, tmp_path):
    items = pd.read_json(files / "items.jsonl", lines=True)
    visits = pd.read_csv(files / "visits.csv")
    for table, path in ((items, "items.csv"), (visits, "visits.csv")):
        table["what"] = table["what"].str.removeprefix("p/")
        table.to_csv(files / path, index=False)
    chosen = options(files, items=str(files / "items.csv"), image_col=None)
    made = prepare("folder", home=Home(tmp_path / "home"), **chosen)
    assert made.manifest["counts"]["items_without_image"] == 2
    shutil.copy(files / "pictures" / "4.png", files / "pictures" / "4.bmp")
    with pytest.raises(UsageError, match=r"4\.bmp and 4\.png are both item 4"):
        prepare("folder", home=Home(tmp_path / "home"), force=True, **chosen)


def test_a_dataset_of_that_name_stays(files, tmp_path):
    home = Home(tmp_path / "home")
    first = prepare("folder", home=home, **options(files))
    with pytest.raises(UsageError, match="--force"):
        prepare("folder", home=home, **options(files, k_core=3))
    again = prepare("folder", home=home, force=True, **options(files, k_core=6))
    assert again.manifest["filtered"]["k_core"] >= 0
    assert first.folder == again.folder


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 65, "a b"])
def test_a_name_is_one_part_of_a_path(files, tmp_path, name):
    with pytest.raises(UsageError, match="--name"):
        prepare("folder", home=Home(tmp_path / "home"), **options(files, name=name))


def test_a_time_protocol_needs_times(files, tmp_path):
    with pytest.raises(UsageError, match="--time-col"):
        chosen = options(files, time_col=None)
        prepare("folder", home=Home(tmp_path / "home"), protocol="global-time", **chosen)


def test_the_manifest_names_the_rule(files, tmp_path):
    home = Home(tmp_path / "home")
    made = prepare("folder", home=home, protocol="leave-one-out", **options(files))
    assert made.manifest["protocol"] == "leave-one-out"
    assert made.manifest["split"]["rule"] == "leave-one-out"
    assert made.manifest["counts"]["test"] == 30


def test_items_that_a_split_drops_are_not_encoded(files, tmp_path):
    visits = pd.read_csv(files / "visits.csv")
    late = pd.DataFrame([("new", f"p/{i}", 5, 1_700_000_000 + i) for i in (0, 1)])
    late.columns = visits.columns
    ghost = pd.DataFrame([("new", "late", 5, 1_800_000_000)], columns=visits.columns)
    pd.concat([visits, late, ghost]).to_csv(files / "visits.csv", index=False)
    with (files / "items.jsonl").open("a") as file:
        file.write('{"what": "late", "name": "x", "picture": ""}\n')
    chosen = options(files, k_core=0)
    made = prepare("folder", home=Home(tmp_path / "home"), protocol="global-time", **chosen)
    assert made.manifest["dropped_by_split"]["users_without_train"] == 1
    assert "late" not in made.catalog.ids
    assert len(made.catalog.ids) == made.manifest["counts"]["items"]


def test_an_unknown_dataset_names_the_nearest(toyshop_home):
    with pytest.raises(UsageError, match="the nearest is toyshop"):
        Dataset.load(toyshop_home, "toyshopp")


def test_another_schema_is_refused(files, tmp_path):
    home = Home(tmp_path / "home")
    made = prepare("folder", home=home, **options(files))
    manifest = dict(made.manifest) | {"schema": 99}
    (made.folder / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="schema 99"):
        Dataset.load(home, "mine")


@pytest.mark.parametrize("name", names("datasets"))
def test_every_dataset_yaml_has_its_source(name):
    spec = dataset_spec(name)
    made = SOURCES.resolve(spec.source)()
    common = {"protocol", "k_core"}
    assert set(spec.options) - common <= set(made.Options.model_fields)


def test_real_posters(shared_data, tmp_path):
    folder = shared_data / "ml-100k-posters"
    made = prepare(
        "folder",
        home=Home(tmp_path / "home"),
        name="ml-100k-posters",
        interactions=str(folder / "ratings.csv"),
        items=str(folder / "items.csv"),
        images=str(folder / "posters"),
        rating_min=4,
        time_col="timestamp",
        title_col="title",
        text_cols="genre,plot",
    )
    counts = made.manifest["counts"]
    assert (counts["users"], counts["items"], counts["interactions"]) == (938, 1008, 54413)
    assert counts["items_without_image"] == 2
    assert made.manifest["unreadable_pictures"] == {}
