"""Features that others made: .npy, .npz and .pt, aligned by item id or refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import Payload

from mmbench.encoders.base import Items, Surroundings
from mmbench.encoders.ready import Ready, modalities
from mmbench.errors import UsageError
from mmbench.fingerprint import canonical

IDS = ["B07", "12", "zoë", "B01"]
ROWS = np.arange(8, dtype=np.float32).reshape(4, 2) + 1
WANTED = ["zoë", "none", "B07"]
FOUND = [[5, 6], [0, 0], [1, 2]]


def rows(path, modality="image", ids=WANTED):
    made = Ready(modality, Surroundings("cpu", Path()), path=str(path))
    return made.rows(Items(ids, {}, {}, {}), None)


def listed(folder, ids=IDS):
    (folder / "items.txt").write_text("".join(f"{item}\n" for item in ids), encoding="utf-8")
    return folder


def by_row(folder, name="image.pt"):
    torch.save(torch.from_numpy(ROWS), listed(folder) / name)
    return folder


def table(folder):
    held = {"items": IDS, "image": torch.from_numpy(ROWS), "text": torch.ones(4, 1)}
    torch.save({**held, "image_mask": torch.ones(4, dtype=torch.bool)}, folder / "features.pt")
    return folder / "features.pt"


def by_id(folder):
    torch.save(dict(zip(IDS, torch.from_numpy(ROWS), strict=True)), folder / "image.pt")
    return folder / "image.pt"


def single(folder, name):
    by_row(folder, "other.pt")
    write = np.save if name.endswith(".npy") else lambda path, array: torch.save(array, path)
    write(folder / name, ROWS if name.endswith(".npy") else torch.from_numpy(ROWS))
    return folder / name


FORMS = {
    "a folder of .pt": by_row,
    "a .pt with the ids": table,
    "a .pt by id": by_id,
    "a folder with a .pt by id": lambda folder: by_id(folder).parent,
    "a .pt beside the ids": lambda folder: single(folder, "image.pt"),
    "a .pth of MMRec beside the ids": lambda folder: single(folder, "image_feat.pth"),
    "a .npy beside the ids": lambda folder: single(folder, "image.npy"),
    "a .npy of MMRec beside the ids": lambda folder: single(folder, "image_feat.npy"),
}


def test_a_list_of_ids_from_a_spreadsheet(tmp_path):
    folder = by_row(tmp_path)
    (folder / "items.txt").write_text(
        "".join(f"{i}\n" for i in ["zoë", *IDS[:2], "B01"]), "utf-8-sig"
    )
    found = rows(folder)
    assert found.mask.tolist() == [True, False, True]
    assert found.matrix.tolist() == [[1, 2], [0, 0], [3, 4]]


def test_the_mask_may_be_named_as_the_file_is(tmp_path):
    np.save(listed(tmp_path) / "image_feat.npy", ROWS)
    np.save(tmp_path / "image_feat.mask.npy", np.array([True, True, False, True]))
    assert rows(tmp_path).mask.tolist() == [False, False, True]
    np.save(tmp_path / "image.mask.npy", np.ones(4, bool))
    with pytest.raises(UsageError, match="are one mask: keep one of them"):
        rows(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_taken_by_id(tmp_path, form):
    path = FORMS[form](tmp_path)
    assert "image" in modalities(path)
    found = rows(path)
    assert found.matrix.tolist() == FOUND
    assert found.matrix.dtype == np.float32
    assert found.mask.tolist() == [True, False, True]


def test_a_table_has_its_own_modalities_and_masks(tmp_path):
    mask = torch.tensor([True, True, False, True])
    held = {"items": (7, 12, 3, 9), "image": torch.ones(4, 2).bfloat16(), "image_mask": mask}
    torch.save(held, tmp_path / "a.pt")
    assert modalities(tmp_path / "a.pt") == ("image",)
    assert rows(tmp_path / "a.pt", ids=["3", "7"]).mask.tolist() == [False, True]
    torch.save({**held, "items": torch.tensor([7, 12, 3, 9])}, tmp_path / "a.pt")
    assert rows(tmp_path / "a.pt", ids=["3", "7"]).mask.tolist() == [False, True]


def test_the_mask_of_a_folder_of_tensors(tmp_path):
    by_row(tmp_path)
    np.save(tmp_path / "image.mask.npy", np.array([False, True, True, True]))
    assert rows(tmp_path).mask.tolist() == [True, False, False]


@pytest.mark.parametrize("form", FORMS)
def test_the_identity_names_the_files_that_count(tmp_path, form):
    path = FORMS[form](tmp_path)
    said = Ready("image", Surroundings("cpu", Path()), path=str(path)).identity()
    alone = form in ("a .pt with the ids", "a .pt by id", "a folder with a .pt by id")
    assert ("items.txt" in said["files"]) != alone
    assert len(said["files"]) == 2 - alone


def test_the_identity_follows_rows_and_ids(tmp_path):
    said = set()
    for ids, matrix in ((IDS, ROWS), (IDS[::-1], ROWS), (IDS, ROWS + 1)):
        np.save(listed(tmp_path, ids) / "image.npy", matrix)
        made = Ready("image", Surroundings("cpu", Path()), path=str(tmp_path))
        said.add(canonical(made.identity()))
    assert len(said) == 3


def mapping(folder, lines, header="asin\titemID"):
    (folder / "i_id_mapping.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    np.save(folder / "image_feat.npy", ROWS)
    return folder


def test_a_folder_of_mmrec(tmp_path):
    """Row 0 is B01, row 1 is B07: by the mapping, whose lines stand in another order."""
    mapping(tmp_path, ["B07\t1", "B01\t0", "zoë\t3", "B02\t2"])
    assert modalities(tmp_path) == ("image",)
    assert rows(tmp_path).matrix.tolist() == [[7, 8], [0, 0], [3, 4]]
    assert rows(tmp_path, ids=["3", "0"]).matrix.tolist() == [[7, 8], [1, 2]]
    mapping(tmp_path, ["0,B01", "1,B07", "2,B02", "3,zoë"], header="itemID,asin")
    assert rows(tmp_path).matrix.tolist() == [[7, 8], [0, 0], [3, 4]]
    listed(tmp_path)  # ids that are written down come first
    assert rows(tmp_path).matrix.tolist() == FOUND


@pytest.mark.parametrize(
    ("lines", "header", "told"),
    [
        (["3\t0", "B01\t1", "B02\t2", "B07\t3"], "asin\titemID", "are both items' own ids and"),
        (["B01\t0", "B07\t0", "B02\t2", "zoë\t3"], "asin\titemID", "is not each of 0 to 3 once"),
        (["B01\t1", "B07\t2", "B02\t3", "zoë\t4"], "asin\titemID", "is not each of 0 to 3 once"),
        (["B01\t0"], "asin\trow", "expected two columns"),
        (["B01\t0\t5"], "asin\titemID\tmore", "expected two columns"),
        (["B01\tzero"], "asin\titemID", "expected two columns"),
        (["B01\t0", "B07\t1"], "asin\titemID", "has 4 rows for 2 item ids"),
    ],
)
def test_a_mapping_that_leaves_a_doubt_is_refused(tmp_path, lines, header, told):
    mapping(tmp_path, lines, header)
    with pytest.raises(UsageError, match=told) as caught:
        rows(tmp_path, ids=["B07", "3", "1"] if "own" in told else WANTED)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["image.npy", "image.pt"])
def test_a_matrix_without_ids_is_refused(tmp_path, name):
    path = single(tmp_path, name)
    (tmp_path / "items.txt").unlink()
    for given in (path, tmp_path):
        with pytest.raises(UsageError, match=r"lacks items\.txt: write one item id a line") as told:
            rows(given)
        assert f"seq 0 3 > {tmp_path / 'items.txt'}" in str(told.value)


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"image": torch.ones(4, 2)}, "add the ids as a list 'items'"),
        ({"a": torch.ones(2), "b": torch.ones(3)}, r"shapes \[\(2,\), \(3,\)\]"),
        ({"a": [1, 2]}, "is a list: save a dense tensor"),
        ({"items": IDS, "image": torch.ones(4, 2).to_sparse()}, "is a sparse tensor"),
        ({"items": IDS, "image": torch.ones(3, 2)}, "has 3 rows for 4 item ids"),
        ({"items": [["a"]] * 4, "image": torch.ones(4, 2)}, "a list of strings or whole numbers"),
        ({"items": "abcd", "image": torch.ones(4, 2)}, "items: is a str"),
        ({"items": IDS}, "holds no features"),
        ([torch.ones(4, 2)], "is a list: save a dense tensor"),
    ],
)
def test_a_file_of_torch_that_holds_something_else(tmp_path, held, told):
    torch.save(held, listed(tmp_path) / "image.pt")
    with pytest.raises(UsageError, match=told) as caught:
        rows(tmp_path / "image.pt")
    assert "\n" not in str(caught.value)


def test_code_in_a_file_of_torch_does_not_run(tmp_path):
    torch.save({"items": IDS, "image": Payload(tmp_path / "ran")}, tmp_path / "image.pt")
    with pytest.raises(UsageError, match="holds Python objects beside tensors"):
        rows(tmp_path / "image.pt")
    assert not (tmp_path / "ran").exists()
    (tmp_path / "image.pt").write_bytes(by_row(tmp_path).joinpath("image.pt").read_bytes()[:100])
    with pytest.raises(UsageError, match="no file that torch can read|holds Python"):
        rows(tmp_path / "image.pt")


def test_two_files_of_one_modality_and_weights_are_refused(tmp_path):
    np.save(by_row(tmp_path) / "image_feat.npy", ROWS)
    with pytest.raises(UsageError, match=r"image\.pt and image_feat\.npy are one modality"):
        modalities(tmp_path)
    with pytest.raises(UsageError, match="leave --weights out"):
        Ready("image", Surroundings("cpu", Path(), tmp_path), path=str(tmp_path))


def test_the_features_of_lfm2k(shared_data, tmp_path):
    """They have no ids: refused as they are, taken when the ids are written down."""
    folder = shared_data / "lfm2k"
    assert modalities(folder) == ("all-MiniLM-L6-v2", "vggish", "whisper")
    with pytest.raises(UsageError, match=r"seq 0 1424 > .*/lfm2k/items\.txt"):
        rows(folder, "vggish")
    for name in modalities(folder):
        (tmp_path / f"{name}.npy").symlink_to(folder / f"{name}.npy")
    listed(tmp_path, map(str, range(1425)))
    found = rows(tmp_path, "vggish", ["7", "1424"])
    np.testing.assert_array_equal(
        found.matrix, np.load(folder / "vggish.npy")[[7, 1424]].astype("f4")
    )


def test_the_mapping_of_amazon_baby(shared_data, tmp_path):
    (tmp_path / "i_id_mapping.csv").symlink_to(shared_data / "amazon-baby" / "i_id_mapping.csv")
    np.save(tmp_path / "text_feat.npy", np.arange(7050, dtype=np.float32)[:, None])
    found = rows(tmp_path, "text", ["B00000IZQI", "097293751X"])
    assert found.matrix.ravel().tolist() == [2, 0]
