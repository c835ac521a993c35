"""The report on features: what is drawn, what is written, and what is refused in one line."""

import json
import os
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image, ImageFont

from mmbench.datasets.dataset import Dataset
from mmbench.errors import UsageError
from mmbench.feature_report.captions import Caption
from mmbench.feature_report.contact_sheet import QUERY, Card, Entry, Row, contact_sheet
from mmbench.feature_report.entries import chosen, entries
from mmbench.feature_report.page import feature_page
from mmbench.feature_report.report import features
from mmbench.features import Feature, FeatureSet
from mmbench.home import Home

RED = Image.new("RGB", (30, 60), "#ff0000")
SEEDED = np.random.RandomState(0)


def save(home, encoder="mine", folder="mine-0", dataset_fingerprint=None, **matrices):
    """Write features of the toyshop as `mmbench encode` would; a row is masked in each."""
    dataset = Dataset.load(home, "toyshop")
    ids = dataset.catalog.ids
    mask = np.arange(len(ids)) != 3
    made = {name: Feature(matrix, mask) for name, matrix in matrices.items()}
    meta = {
        "dataset": "toyshop",
        "dataset_fingerprint": dataset_fingerprint or dataset.fingerprint,
        "encoder": encoder,
        "weights": "none",
        "fingerprint": folder,
    }
    where = home.features / "toyshop" / folder
    FeatureSet(ids, made, meta).save(where)
    return where


@pytest.fixture
def home(toyshop_home, tmp_path):
    """A home with the toyshop and one encoding, for one test alone."""
    shutil.copytree(toyshop_home.datasets / "toyshop", tmp_path / "datasets" / "toyshop")
    home = Home(tmp_path)
    n_items = len(Dataset.load(home, "toyshop").catalog.ids)
    image, text = SEEDED.randn(n_items, 5), SEEDED.randn(n_items, 7)
    save(home, image=image.astype(np.float32), text=text.astype(np.float32))
    return home


class Page(HTMLParser):
    """Collects pictures and tags, and fails on tags that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.pictures, self.tags = [], [], set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attributes))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_written_and_can_be_opened(home):
    report = features("toyshop", "mine", home=home, neighbours=3)
    folder = home.root / "reports" / "features" / "toyshop" / "mine-0"
    assert {path.name for path in folder.iterdir()} == {f"features.{k}" for k in report.files}
    assert json.loads(report.files["json"].read_text()) == json.loads(json.dumps(report.values))
    with Image.open(report.files["png"]) as sheet:
        assert sheet.height > len(report.items) * QUERY
    page = Page(report.files["html"].read_text())
    assert not page.tags & {"script", "link"}
    assert all(picture["src"].startswith("data:image/jpeg;base64,") for picture in page.pictures)
    assert all(picture["alt"] for picture in page.pictures)
    assert "mean cosine of random pairs" in report.text()
    assert report.values["modalities"]["image"]["masked"] == 1


def test_a_feature_folder_is_as_good_as_names(home):
    folder = home.features / "toyshop" / "mine-0"
    told = features(folder).values
    assert told == features("toyshop", home=home).values
    assert told["attributes"]["image"]["colour"]["random"] < 0.5


def test_neighbours_are_real_and_never_masked(home):
    dataset = Dataset.load(home, "toyshop")
    opened = FeatureSet.load(home.features / "toyshop" / "mine-0", "mine-0", dataset.catalog.ids)
    every = entries(opened, dataset.catalog, range(len(opened.ids)), 50)
    shown = {card.item for entry in every for row in entry.rows for card, _ in row.neighbours}
    assert shown == set(opened.ids) - {opened.ids[3]}
    assert all(row.note == "this item has no vector" for row in every[3].rows)
    matrix = opened.modalities["image"].matrix
    first, cosine = every[0].rows[0].neighbours[0]
    other = matrix[opened.ids.index(first.item)]
    lengths = np.linalg.norm(matrix[0]) * np.linalg.norm(other)
    assert cosine == pytest.approx(float(matrix[0] @ other / lengths), abs=1e-5)


def test_items_are_those_named_or_spread_over_the_catalogue(home):
    dataset = Dataset.load(home, "toyshop")
    opened = FeatureSet.load(home.features / "toyshop" / "mine-0", "mine-0", dataset.catalog.ids)
    assert chosen(opened, [opened.ids[5], opened.ids[3], opened.ids[5]]) == [5, 3]
    spread = chosen(opened)
    assert len(set(spread)) == 8
    assert 3 not in spread
    assert max(np.diff(spread)) <= len(opened.ids) / 8 + 2


def test_of_several_encodings_the_newest_is_taken_and_the_others_named(home):
    n_items = len(Dataset.load(home, "toyshop").catalog.ids)
    newer = save(home, folder="mine-1", image=np.eye(n_items, 9, dtype=np.float32) + 0.1)
    stale = save(home, folder="mine-2", dataset_fingerprint="old", image=np.eye(n_items))
    for folder, age in ((newer, 10), (stale, 20)):
        os.utime(folder / "meta.json", (2e9 + age, 2e9 + age))
    report = features("toyshop", "mine", home=home)
    assert report.found.folder == newer
    assert "also there: mine-0" in report.text()


def test_wrong_names_answer_with_the_nearest(home):
    for words, said in (
        (("toyshap",), "the nearest is toyshop"),
        (("toyshop", "mime"), "the nearest is mine; or mmbench encode --encoder mime"),
        (("no/such/folder",), "no meta.json is there"),
        ((home.features / "toyshop" / "mine-0", "mine"), "leave 'mine' out"),
    ):
        with pytest.raises(UsageError, match=said):
            features(*words, home=home)
    with pytest.raises(UsageError, match="'i001' is no item: the nearest is i0"):
        features("toyshop", items=["i001"], home=home)
    with pytest.raises(UsageError, match="--neighbours 0: from 1"):
        features("toyshop", neighbours=0, home=home)
    with pytest.raises(UsageError, match="is a file"):
        features("toyshop", home=home, out=home.datasets / "toyshop" / "dataset.json")
    assert not home.reports.exists()


def test_damaged_features_and_a_changed_dataset_are_refused(home):
    folder = home.features / "toyshop" / "mine-0"
    matrix = (folder / "image.npy").read_bytes()
    (folder / "image.npy").write_bytes(matrix[:-1])
    with pytest.raises(UsageError, match=r"image.npy: gone or changed"):
        features(folder)
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"dataset_fingerprint": "old"}))
    with pytest.raises(UsageError, match="dataset 'toyshop' has changed since: mmbench encode"):
        features("toyshop", "mine", home=home)
    (folder / "meta.json").write_text("{")
    with pytest.raises(UsageError, match="1 damaged folders are passed over"):
        features("toyshop", home=home)
    shutil.rmtree(home.datasets)
    with pytest.raises(UsageError, match="cannot read .*meta.json"):
        features(folder)


def test_a_dataset_that_is_gone_is_said(home):
    folder = home.features / "toyshop" / "mine-0"
    shutil.rmtree(home.datasets)
    with pytest.raises(UsageError, match="dataset 'toyshop' is not prepared"):
        features(folder, home=home)


def test_pictures_titles_and_words_of_any_kind_are_drawn():
    cards = [
        Card("1", "日本語のタイトル", "本文", None),
        Card("2", "Crème brûlée – “sweet”", "", RED),
        Card("3", "endless" * 50, "a\nb " * 500, RED),
        Card("4", "<b>&\"'", "\x00\x1b", Image.new("RGB", (2000, 1))),
    ]
    shown = tuple((card, 0.5) for card in cards)
    rows = (Row("image", shown), Row("text", (), "this item has no vector"))
    every = [Entry(card, rows) for card in cards]
    sheet = contact_sheet("a heading", every)
    assert sum(count for count, colour in sheet.getcolors(1 << 24) if colour == (255, 0, 0)) > 9000
    page = feature_page("a <heading>", ["fact"], ["odd & strange"], [], every)
    assert "日本語のタイトル" in page
    assert "<b>&" not in page
    Page(page)


def test_captions_fit_and_are_cut_cleanly():
    font = ImageFont.load_default(12)
    title = "The quick brown fox jumps over the lazy dog and the unsurprised hen"
    lines = Caption(title, "7").lines(font, 120, 2)
    assert len(lines) == 2
    assert all(font.getlength(line) <= 120 for line in lines)
    assert title.startswith(lines[0])
    assert lines[1].endswith("…")
    assert Caption("short", "7").lines(font, 120, 2) == ["short"]
    assert Caption("日本語", "7").lines(font, 120, 2) == ["7"]
    (line,) = Caption("Crème – x", "7").lines(font, 120, 2)
    assert line in ("Crème - x", "Creme - x", "Crème – x")  # as far as the letters of Pillow go
