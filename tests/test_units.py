"""What is encoded: each distinct input once, long texts by the policy, rows never mixed up."""

import numpy as np
import pandas as pd
import pytest
import torch
from letters import Letters
from PIL import Image

from mmbench.datasets.catalog import Catalog
from mmbench.extraction import modality
from mmbench.extraction.modality import extracted
from mmbench.extraction.units import units
from mmbench.fingerprint import file_sha256
from mmbench.machine import Machine
from mmbench.progress import Silent
from mmbench.specs import Encoding

COLOURS = ["red", "blue", "red", None, "lime", "blue"]
TEXTS = ["aaa", "b", "aaa", "abcdefghijkl", None, "abcdefghijkl"]


@pytest.fixture
def catalog(tmp_path):
    names = []
    for row, colour in enumerate(COLOURS):
        names.append(f"images/{row}.png" if colour else None)
        if colour:
            (tmp_path / "images").mkdir(exist_ok=True)
            Image.new("RGB", (9, 9), colour).save(tmp_path / names[-1])
    lines = [f"{file_sha256(tmp_path / name)}  {name}\n" for name in names if name]
    (tmp_path / "images.sha256").write_text("".join(lines))
    frame = pd.DataFrame(
        {
            "item_id": [f"i{row}" for row in range(len(COLOURS))],
            "title": TEXTS,
            "text": [None] * len(COLOURS),
            "image": names,
        }
    )
    return Catalog(tmp_path, frame, {})


def run(catalog, backend, batch_size="auto", workers=0, folder=None, **encoding):
    machine = Machine.of("cpu", batch_size, workers)
    where = folder or catalog.folder / "shards"
    spec = Encoding(**encoding)
    return extracted("it", backend, catalog, spec, machine, where, Silent())


def rows(catalog, need):
    return np.flatnonzero(catalog.present[need])


def test_shared_pictures_and_texts_are_encoded_once(catalog):
    assert len(units(catalog, rows(catalog, "image"), Letters("image"), "truncate")) == 3
    found = units(catalog, rows(catalog, "text"), Letters("text"), "truncate")
    assert len(found) == 3
    assert found.cut == 2
    both = np.array([0, 1, 2, 5])  # red aaa, blue b, red aaa, blue a...l
    assert len(units(catalog, both, Letters("joint"), "truncate")) == 3


def test_the_longest_text_comes_first(catalog):
    found = units(catalog, rows(catalog, "text"), Letters("text"), "truncate")
    assert [len(tokens) for tokens in found.tokens] == [9, 4, 2]


@pytest.mark.parametrize("name", ["image", "text", "joint"])
@pytest.mark.parametrize("batch_size", [1, 2, "auto"])
def test_each_row_is_that_of_its_item(catalog, name, batch_size):
    from mmbench.encoders.base import Content

    found = run(catalog, Letters(name), batch_size)
    backend = Letters(name)
    for row in range(len(COLOURS)):
        content = Content(catalog.picture(row), catalog.text(row))
        whole = all(getattr(content, need) is not None for need in backend.inputs)
        assert found.feature.mask[row] == whole
        expected = backend.encode([content])[0] if whole else 0.0
        assert np.allclose(found.feature.matrix[row], expected, atol=1e-6)


def test_chunks_of_a_long_text_are_averaged_to_length_one(catalog):
    cut = run(catalog, Letters("text")).feature.matrix[3]
    averaged = run(
        catalog, Letters("text"), folder=catalog.folder / "x", long_texts="mean-of-chunks"
    )
    halves = Letters("text").forward(None, Letters("text").chunks(["abcdefghijkl"])[0]).numpy()
    mean = halves.mean(axis=0)
    assert np.allclose(averaged.feature.matrix[3], mean / np.linalg.norm(mean), atol=1e-6)
    assert np.allclose(cut, halves[0], atol=1e-6)
    assert averaged.figures["long_texts"] == 2
    assert averaged.figures["long_texts_share"] == 2 / 5
    assert averaged.figures["encoded"] == 4  # aaa, b and two chunks


def test_chunks_that_cancel_out_give_zeros(catalog):
    class Opposed(Letters):
        def forward(self, pixels, tokens):
            signs = [1.0 if len(ids) == 9 else -1.0 for ids in tokens]  # a full piece, a short one
            return torch.tensor(signs)[:, None].repeat(1, 3)

    found = run(catalog, Opposed("text"), long_texts="mean-of-chunks").feature
    assert (found.matrix[3] == 0).all()
    assert found.mask[3]


def test_decoding_in_processes_gives_the_same(catalog, monkeypatch):
    from mmbench.extraction import decoding

    monkeypatch.setattr(decoding, "FEWEST", 1)
    alone = run(catalog, Letters("image"), 2)
    beside = run(catalog, Letters("image"), 2, workers=2, folder=catalog.folder / "x")
    assert (alone.feature.matrix == beside.feature.matrix).all()
    assert (alone.feature.mask == beside.feature.mask).all()


def test_little_shared_memory_takes_fewer_processes(catalog, monkeypatch):
    from mmbench.extraction import decoding

    monkeypatch.setattr(decoding, "FEWEST", 1)
    plenty = run(catalog, Letters("image"), 1, workers=2)
    for room in (0, 48, 2 * 48):  # bytes: a batch of one picture has 48
        monkeypatch.setattr(decoding, "ROOM", room)
        folder = catalog.folder / str(room)
        scarce = run(catalog, Letters("image"), 1, workers=2, folder=folder)
        assert (scarce.feature.matrix == plenty.feature.matrix).all()


def test_a_picture_gone_bad_masks_its_items(catalog):
    for row in (0, 2):  # the same picture
        (catalog.folder / f"images/{row}.png").write_bytes(b"no picture")
    found = run(catalog, Letters("image"))
    assert found.unreadable == {"i0", "i2"}
    assert found.feature.mask.tolist() == [False, True, False, False, True, True]
    assert (found.feature.matrix[[0, 2, 3]] == 0).all()


def test_no_readable_picture_is_an_error(catalog):
    from mmbench.errors import UsageError

    for path in (catalog.folder / "images").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(UsageError, match="none of the 5 pictures can be read"):
        run(catalog, Letters("image"))


def test_the_batch_shrinks_until_it_fits(catalog):
    backend = Letters("text", memory=1)
    found = run(catalog, backend, "auto")
    assert backend.passes == [1, 1, 1]
    assert found.figures["batch_size"] == 1
    assert (found.feature.matrix == run(catalog, Letters("text")).feature.matrix).all()


def test_a_batch_that_was_asked_for_does_not_shrink(catalog):
    from mmbench.errors import UsageError

    with pytest.raises(UsageError, match="a batch of 3 does not fit .* --batch-size, or auto"):
        run(catalog, Letters("text", memory=2), 3)
    with pytest.raises(UsageError, match="a batch of 1 does not fit"):
        run(catalog, Letters("text", memory=0), "auto")


def test_an_error_of_the_model_is_not_taken_for_full_memory(catalog):
    class Broken(Letters):
        def forward(self, pixels, tokens):
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run(catalog, Broken("text"))


def test_numbers_that_are_not_finite_stop_it(catalog):
    class Infinite(Letters):
        def forward(self, pixels, tokens):
            return super().forward(pixels, tokens) / 0

    from mmbench.errors import UsageError

    with pytest.raises(UsageError, match="not finite, first for item 'i3'"):  # the longest text
        run(catalog, Infinite("text"))


def test_bf16_computes_in_bf16(catalog):
    class Product(Letters):
        def forward(self, pixels, tokens):
            found = super().forward(pixels, tokens)
            product = found @ torch.eye(found.shape[1])
            self.seen = product.dtype
            return product

    backend = Product("text")
    found = run(catalog, backend, precision="bf16")
    assert backend.seen == torch.bfloat16
    assert found.feature.matrix.dtype == np.float32


def test_other_batches_may_go_on_with_the_shards(catalog, monkeypatch):
    monkeypatch.setattr(modality, "FLUSH", 0.0)
    whole = run(catalog, Letters("text"), folder=catalog.folder / "whole")
    run(catalog, Letters("text"), 1)
    shards = sorted((catalog.folder / "shards").iterdir())
    assert len(shards) == 3
    shards[1].write_bytes(shards[1].read_bytes()[:40])  # a torn one, and one after it
    backend = Letters("text")
    again = run(catalog, backend, 2)
    assert backend.passes == [2]
    assert (again.feature.matrix == whole.feature.matrix).all()
