"""From a folder of pictures to the leaderboard, through the command line as a person types it."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A shop whose buyers choose by colour and by brand: one is seen, the other is read."""
    root = tmp_path_factory.mktemp("shop")
    (root / "photos").mkdir()
    rng = np.random.RandomState(0)
    colour, brand = rng.randint(0, 4, 80), rng.randint(0, 4, 80)
    for item in range(80):
        pixels = np.clip(COLOURS[colour[item]] + rng.randint(-30, 30, (32, 32, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(root / "photos" / f"p{item}.jpg")
    names = np.array(["Acme", "Bolt", "Cora", "Dune"])
    items = pd.DataFrame({"sku": [f"p{i}" for i in range(80)], "name": names[brand] + " thing"})
    items.to_csv(root / "items.csv", index=False)
    visits = []
    for user in range(150):
        liked = (colour == user % 4) * 3 + (brand == user // 4 % 4) * 3 + 0.2
        bought = rng.choice(80, 10, replace=False, p=liked / liked.sum())
        visits += [(f"u{user}", f"p{item}") for item in bought]
    pd.DataFrame(visits, columns=["who", "sku"]).to_csv(root / "visits.csv", index=False)
    return root


def mmbench(folder, *words):
    environment = {k: v for k, v in os.environ.items() if k != "MMBENCH_HOME"}
    done = subprocess.run(
        [sys.executable, "-m", "mmbench", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_pictures_to_the_leaderboard(folder):
    before = {path.name for path in folder.iterdir()}
    summary = mmbench(
        folder, "prepare", "folder", "--name", "shop", "--interactions", "visits.csv",
        "--user-col", "who", "--item-col", "sku", "--items", "items.csv", "--title-col", "name",
        "--images", "photos",
    )  # fmt: skip
    assert "users                  150" in summary
    few = ["--set", "epochs=40", "--set", "learning_rate=0.01", "--json"]
    recall = {}
    for encoder in ("classic", "permuted", "id"):
        out = mmbench(folder, "run", "--dataset", "shop", "--encoder", encoder, *few)
        recall[encoder] = json.loads(out)["metrics"]["test"]["recall@20"]
    assert recall["classic"] > 1.2 * recall["permuted"]
    assert recall["classic"] > 1.2 * recall["id"]
    mmbench(folder, "run", "--dataset", "shop", "--model", "Pop")
    table = mmbench(folder, "leaderboard")
    rows = [line for line in table.splitlines() if line.startswith(("| VBPR", "| Pop"))]
    assert len(rows) == 4
    assert "classic" in rows[0]
    assert "control, of classic" in table
    assert {path.name for path in folder.iterdir()} - before == {"mmbench-home"}


def test_both_modalities_of_the_toyshop_matter(toyshop_home, tmp_path):
    """The truth about pictures and the truth about texts each help, and both help more."""
    import mmbench as api
    from mmbench.datasets.dataset import Dataset
    from mmbench.datasets.prepare import prepare
    from mmbench.extract import encode
    from mmbench.home import Home

    home = Home(tmp_path / "home")
    shop = prepare("toyshop", users=600, items=300, home=home)
    assert isinstance(shop, Dataset)
    truth = encode(shop, "oracle", home=home)
    few = {"epochs": 120, "learning_rate": 0.005, "stopping_step": 15}
    recall = {}
    for kept in (("image",), ("text",), ("image", "text")):
        arrays = {name: np.asarray(truth.modalities[name].matrix) for name in kept}
        path = tmp_path / ("-".join(kept) + ".npz")
        np.savez(path, items=np.array(truth.ids), **arrays)
        seeds = [
            api.run(encoder=f"file:{path}", home=home, hyperparameters=few, seed=seed)
            for seed in (1, 2)
        ]
        recall[kept] = np.mean([r.values["metrics"]["test"]["recall@20"] for r in seeds])
    nothing = api.run(encoder="id", home=home, hyperparameters=few)
    floor = nothing.values["metrics"]["test"]["recall@20"]
    assert recall["image",] > 1.1 * floor
    assert recall["text",] > 1.1 * floor
    assert recall["image", "text"] > 1.1 * max(recall["image",], recall["text",])
