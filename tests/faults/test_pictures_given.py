"""Picture files of every kind: a bad one is counted, named and masked, never a crash."""

import json

import numpy as np
import pytest
from PIL import Image

from mmbench.datasets.pictures import UnreadablePicture, read_picture

RUN = ("run", "--dataset", "mine", "--encoder", "classic", "--set", "epochs=1")
UNREADABLE = {
    "i0": "cannot be decoded",  # a truncated JPEG
    "i1": "the file is empty (zero bytes)",
    "i2": "not a picture in a known format",  # a text file
    "i3": "too large: 40000 x 40 pixels",
    "i4": "too large: 60000 x 60000 pixels",  # a few bytes that would take 10 GB
    "i5": "a folder, not a file",
}
READABLE = {"i6", "i7", "i8", "i9", "i10"}  # i11 has none


@pytest.fixture
def gallery(shop):
    """The shop with a picture of each kind."""
    noise = np.random.RandomState(0).randint(0, 256, (64, 64, 3)).astype(np.uint8)
    whole = shop.pictures / "i0.jpg"
    Image.fromarray(noise).save(whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (shop.pictures / "i1.jpg").touch()
    (shop.pictures / "i2.jpg").write_text("a text called .jpg")
    Image.new("1", (40_000, 40)).save(shop.pictures / "i3.png")
    (shop.pictures / "i4.bmp").write_bytes(_header_of_a_bomb())
    (shop.pictures / "i5.png").mkdir()
    Image.fromarray(noise).convert("CMYK").save(shop.pictures / "i6.jpg")
    deep = noise[:, :, 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(shop.pictures / "i7.png")
    frames = [Image.fromarray(np.roll(noise, step)) for step in range(3)]
    frames[0].save(shop.pictures / "i8.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(noise).convert("P").save(shop.pictures / "i9.png", transparency=0)
    shop.draw("i10", suffix=".JPEG")
    return shop


def _header_of_a_bomb():
    side = (60_000).to_bytes(4, "little")
    info = (40).to_bytes(4, "little") + side + side + b"\1\0\x18\0" + bytes(24)
    return b"BM" + (54).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + info


def image_rows(home):
    """Return item → (mask, row) of the only features there are."""
    folder = next((home / "features" / "mine").glob("[!.]*"))
    ids = (folder / "items.txt").read_text().splitlines()
    mask, matrix = np.load(folder / "image.mask.npy"), np.load(folder / "image.npy")
    return dict(zip(ids, zip(mask.tolist(), matrix, strict=True), strict=True)), folder


def test_each_bad_picture_is_counted_named_and_masked(cli, home, gallery):
    code, out, err = cli(*gallery.prepare("--images", gallery.pictures))
    assert (code, "Traceback" in err) == (0, False)
    manifest = json.loads((home / "datasets" / "mine" / "dataset.json").read_text())
    told = manifest["unreadable_pictures"]
    assert told.keys() == UNREADABLE.keys()
    for item, reason in UNREADABLE.items():
        assert reason in told[item]
        assert told[item].startswith(f"{item}.")
    assert manifest["counts"]["items_without_image"] == len(UNREADABLE) + 1
    assert "6 unreadable pictures, masked" in out
    code, _, err = cli(*RUN)
    assert (code, "Traceback" in err) == (0, False)
    rows, _ = image_rows(home)
    assert {item for item, (real, _) in rows.items() if real} == READABLE
    for item, (real, row) in rows.items():
        assert row.any() == real, item


def test_the_network_takes_them_too(cli, home, gallery):
    assert cli(*gallery.prepare("--images", gallery.pictures))[0] == 0
    assert cli("encode", "--encoder", "efficientnet+minilm", "--dataset", "mine")[0] == 0
    rows, _ = image_rows(home)
    assert {item for item, (real, _) in rows.items() if real} == READABLE


def test_the_originals_stay_as_they_are(cli, gallery, listing):
    before = listing(gallery.pictures)
    assert cli(*gallery.prepare("--images", gallery.pictures))[0] == 0
    assert listing(gallery.pictures) == before


def spoil(home, item):
    next((home / "datasets" / "mine" / "images").glob(f"{item}.*")).write_bytes(b"no longer")


@pytest.mark.parametrize("spoilt", [["i3"], ["i3", "i4"]])
def test_pictures_that_change_later_are_refused_before_anything_is_cached(
    cli, refused, home, shop, spoilt
):
    for item in shop.ids:
        shop.draw(item)
    assert cli(*shop.prepare("--images", shop.pictures))[0] == 0
    for item in spoilt:
        spoil(home, item)
    line = refused(*RUN)
    assert "i3.png: changed since it was prepared: prepare the dataset again with --force" in line
    assert not [path for path in (home / "features").rglob("*") if path.is_file()]


def test_a_picture_that_another_library_cannot_read_is_masked(cli, home, shop, monkeypatch):
    for item in shop.ids:
        shop.draw(item)
    assert cli(*shop.prepare("--images", shop.pictures))[0] == 0

    def read(path):
        if path.stem == "i3":
            raise UnreadablePicture("not by this version")
        return read_picture(path)

    monkeypatch.setattr("mmbench.extraction.decoding.read_picture", read)
    code, _, err = cli(*RUN)
    assert code == 0
    assert "1 pictures can no longer be read and are masked" in err
    rows, folder = image_rows(home)
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["unreadable_pictures"] == ["i3"]
    assert [item for item, (real, _) in rows.items() if not real] == ["i3"]
    assert not rows["i3"][1].any()


def test_two_pictures_of_one_item(refused, shop):
    shop.draw("i3")
    shop.draw("i3", suffix=".jpg")
    line = refused(*shop.prepare("--images", shop.pictures))
    assert "i3.jpg and i3.png are both item i3: keep one" in line


def test_a_picture_named_in_a_column(cli, home, shop):
    shop.draw("i3")
    rows = [(item, "i3.png" if item == "i3" else f"{item}.png") for item in shop.ids]
    path = shop.table("named.csv", ["item_id", "file"], rows)
    code, out, _ = cli(*shop.prepare("--images", shop.pictures, "--image-col", "file", items=path))
    assert code == 0
    assert "11 unreadable pictures, masked" in out
    told = json.loads((home / "datasets" / "mine" / "dataset.json").read_text())
    assert "no such file" in told["unreadable_pictures"]["i4"]


def test_no_item_has_a_picture(cli, home, shop):
    assert cli(*shop.prepare("--images", shop.pictures))[0] == 0
    code, _, err = cli(*RUN)
    assert code == 0
    assert "no item of 'mine' has image: that modality is left out" in err
    (meta,) = (home / "features" / "mine").glob("classic-*/meta.json")
    told = json.loads(meta.read_text())
    assert (told["modalities"], told["left_out"]) == (["text"], ["image"])
