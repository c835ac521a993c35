"""The command line: parsing and printing, exit codes, and what goes to which stream."""

import json
import subprocess
import sys

import pytest

from mmbench import __version__, cli
from mmbench.inventory import NOUNS
from mmbench.request import of


@pytest.fixture
def mmbench(toyshop_home, capsys):
    """Run a command line in process: (exit code, standard output, standard error)."""

    def run(*words):
        try:
            code = cli.main([*words, "--home", str(toyshop_home.root)])
        except SystemExit as stop:
            code = stop.code
        told = capsys.readouterr()
        return code or 0, told.out, told.err

    return run


def imported(statement, *modules):
    code = f"import sys; {statement}; print([m for m in {modules!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "statement",
    [
        "import mmbench",
        "import mmbench.cli",
        "from mmbench.inventory import list_; list_()",
        "import mmbench.board.leaderboard",
        "import mmbench.records",
        "import recbole_ext.models",
        "from mmbench.request import of; of({'model': 'VBPR', 'encoder': 'classic'})",
    ],
)
def test_names_cost_no_heavy_import(statement):
    assert imported(statement, "torch", "ray", "recbole", "pandas", "transformers") == "[]"


ENCODE = ("encode", "--dataset", "toyshop", "--encoder", "classic", "--json")


def test_how_an_encoder_is_used_is_part_of_the_features(mmbench):
    plain = json.loads(mmbench(*ENCODE)[1])
    words = ("--fuse", "pca:8", "--dtype", "float16", "--batch-size", "4", "--workers", "0")
    code, out, _ = mmbench(*ENCODE, *words)
    fused = json.loads(out)
    assert code == 0
    assert fused["modalities"] == ["fused"]
    assert (fused["encoding"]["fuse"], fused["encoding"]["dtype"]) == ("pca:8", "float16")
    assert fused["fingerprint"] != plain["fingerprint"]
    again = json.loads(mmbench(*ENCODE, "--batch-size", "3")[1])
    assert again["fingerprint"] == plain["fingerprint"]  # how it is fed changes nothing


def test_a_record_of_fused_features_says_so_and_repeats(mmbench, toyshop_home):
    words = ("run", "--encoder", "classic", "--set", "epochs=1", "--fuse", "concat")
    code, out, _ = mmbench(*words, "--json")
    record = json.loads(out)
    assert code == 0
    assert record["trial"]["fuse"] == "concat"
    assert record["encoder"]["modalities"] == ["fused"]
    assert record["encoder"]["dimensions"] == {"fused": 893 + 38}  # 40 items have 38 topics
    assert record["command"].endswith("--fuse concat")
    assert "fused: concat" in mmbench("leaderboard")[1]
    (path,) = [
        path
        for path in (toyshop_home.results).rglob("*.json")
        if record["fingerprints"]["trial"] in path.read_text()
    ]
    assert mmbench("run", "--from", str(path))[0] == 0


def test_the_share_of_cut_texts_is_told(mmbench):
    words = ("--random-weights", "--encoder", "efficientnet+minilm")
    told = json.loads(mmbench("encode", "--dataset", "toyshop", "--json", *words)[1])
    assert told["extraction"]["text"]["long_texts_share"] == 0
    assert told["extraction"]["image"]["encoded"] <= told["extraction"]["image"]["items"]
    assert 0 <= told["extraction"]["image"]["waiting_share"] <= 1


def test_encoders_are_told_with_what_they_need(mmbench):
    code, out, _ = mmbench("list", "encoders")
    assert code == 0
    lines = {line.partition(" ")[0]: line for line in out.partition("\n\n")[0].splitlines()}
    assert "missing" in lines["clip"]
    assert "clip lacks openai/clip-vit-base-patch16 of the hub" in out
    assert "512" in lines["clip"]
    assert "(control)" in lines["noise"]
    told = json.loads(mmbench("list", "encoders", "--json")[1])["encoders"]
    assert told["efficientnet+minilm"]["missing"] == []
    assert told["classic"]["modalities"] == ["image", "text"]


def test_show_features_writes_a_page(mmbench, toyshop_home):
    mmbench(*ENCODE)
    code, out, _ = mmbench("show", "features", "toyshop", "classic")
    assert code == 0
    assert "effective rank" in out
    mmbench(*ENCODE, "--fuse", "mean")  # refused: their dimensions differ
    mmbench(*ENCODE, "--fuse", "pca:4", "--dtype", "float16")
    told = mmbench("show", "features", "toyshop", "classic")[1].splitlines()
    assert told[1].startswith("weights: none; ")  # the usual way goes first
    assert "(fused: pca:4, float16)" in told[2]
    assert list((toyshop_home.root / "reports").rglob("features.html"))


def test_json_is_all_there_is_on_standard_output(mmbench):
    words = ["run", "--encoder", "classic", "--set", "epochs=2", "--json"]
    code, out, err = mmbench(*words)
    assert code == 0
    assert json.loads(out)["status"] == "ok"
    assert "train VBPR" in err
    code, out, err = mmbench(*words, "--seeds", "2")
    assert [record["trial"]["seed"] for record in json.loads(out)] == [1, 2]
    assert "already recorded" in err


def test_a_run_prints_its_metrics_and_its_record(mmbench):
    code, out, err = mmbench("run", "--encoder", "classic", "--set", "epochs=2")
    assert code == 0
    assert out.startswith("seed 1  recall@20 0.")
    assert out.strip().endswith("-s1.json")


def test_encode_and_show(mmbench):
    code, out, _ = mmbench("encode", "--encoder", "classic", "--dataset", "toyshop")
    assert code == 0
    assert "image: (40, 893)" in out
    code, out, _ = mmbench("encode", "--encoder", "classic", "--dataset", "toyshop", "--json")
    assert json.loads(out)["encoder"] == "classic"
    code, out, _ = mmbench("show", "toyshop")
    assert json.loads(out)["counts"]["items"] == 40


@pytest.mark.parametrize("name", ["VBPR", "classic", "openclip:ViT-B-32", "random"])
def test_show_tells_all_of_a_name(mmbench, name):
    code, out, _ = mmbench("show", name)
    assert code == 0
    assert json.loads(out)["description"]


def test_show_reads_a_record(mmbench):
    _, out, _ = mmbench("run", "--encoder", "classic", "--set", "epochs=2")
    _, shown, _ = mmbench("show", out.split()[-1])
    assert json.loads(shown)["schema"] == 1


def test_show_gives_defaults_with_their_ranges(mmbench):
    _, out, _ = mmbench("show", "VBPR")
    shown = json.loads(out)
    assert shown["parameters"]["reg_weight"]["min"] == 0
    assert shown["parameters"]["reg_weight"]["default"] == 0.01
    assert shown["parameters"]["learning_rate"]["default"] == 0.001


def test_list_holds_every_noun(mmbench):
    code, out, _ = mmbench("list")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == list(NOUNS)
    assert "prepared: 60 users, 40 items" in out
    assert json.loads(mmbench("list", "encoders", "--json")[1]).keys() == {"encoders"}


def test_leaderboard_prints_markdown(mmbench):
    mmbench("run", "--encoder", "classic", "--set", "epochs=2")
    code, out, _ = mmbench("leaderboard", "--metric", "ndcg@10")
    assert code == 0
    assert "| VBPR" in out
    assert "ndcg@10" in out


def test_check_finds_everything_here(mmbench):
    code, out, _ = mmbench("check")
    assert code == 0, out
    assert "everything needed is here" in out
    facts = json.loads(mmbench("check", "--json")[1])["facts"]
    assert {"python", "torch", "recbole", "device", "home", "free space"} <= facts.keys()


def test_check_names_what_is_missing(mmbench, monkeypatch):
    monkeypatch.setattr("mmbench.checkup._has", lambda module: module != "recbole")
    code, out, _ = mmbench("check")
    assert code == 1
    assert "recbole is not installed" in out
    assert "pip install --no-deps recbole==1.2.1" in out


def test_check_finds_damage(mmbench, toyshop_home):
    path = toyshop_home.datasets / "toyshop" / "images.sha256"
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"x")
        code, out, _ = mmbench("check")
    finally:
        path.write_bytes(before)
    assert code == 1
    assert "images.sha256: changed" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--model", "VBRP"], "the nearest is VBPR"),
        (["run", "--set", "epochs"], "--set KEY=VALUE"),
        (["run", "--set", "epochs=[1, 2]"], "one value"),
        (["run", "--seed", "1", "--seeds", "2"], "leave one of them out"),
        (["run", "--from", "gone.json"], "gone.json"),
        (["run", "--from", "gone.json", "--model", "BPR"], "leave out the other options"),
        (["show", "VBRP"], "the nearest is VBPR"),
        (["list", "encoder"], "the nearest is encoders"),
        (["encode", "--encoder", "classic", "--dataset", "toyshop", "--fuse", "max"], "'max' is"),
        (["run", "--dtype", "int8"], "dtype"),
        (["run", "--long-texts", "cut"], "long_texts"),
        (["run", "--batch-size", "0"], "--batch-size 0: write a number from 1 on"),
        (["run", "--encoder", "classic", "--weights", "nowhere"], "nowhere: there is nothing"),
        (["run", "--encoder", "vlmo", "--weights", ".", "--random-weights"], "leave one of them"),
        (["run", "--encoder", "noise", "--weights", "."], "encoder 'noise' reads no weights"),
        (["run", "--encoder", "classic", "--weights", "."], "encoder 'classic' reads no weights"),
        (["run", "--encoder", "classic", "--weights", ""], "weights: an empty path"),
        (["run", "--encoder", "permuted:id"], "'id' has no vectors"),
        (["run", "--encoder", "efficientnet+minilm", "--weights", "."], "is two models"),
        (["show", "features", "toyshop", "clasic"], "clasic"),
        (["show", "toyshop", "more"], "takes no more"),
        (["prepare", "toyshp"], "the nearest is toyshop"),
        (["prepare", "toyshop", "--name", "new", "--items", "3"], "items"),
        (["encode", "--encoder", "classic", "--dataset", "toyshopp"], "the nearest is toyshop"),
    ],
)
def test_wrong_usage_is_one_line_and_2(mmbench, words, told):
    code, out, err = mmbench(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert err.startswith("mmbench: ")


def test_unknown_options_are_2(mmbench):
    assert mmbench("run", "--modle", "VBPR")[0] == 2


def test_flags_win_over_the_yaml(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("model: BPR\nseeds: 2\nhyperparameters: {epochs: 7, learning_rate: 1e-2}\n")
    asked = of({"model": "VBPR"}, ["epochs=3"], config=file)
    assert asked["model"] == "VBPR"
    assert asked["hyperparameters"] == {"epochs": 3, "learning_rate": 0.01}
    assert asked["seeds"] == 2
    assert of({}, seed=9, config=file)["seeds"] == [9]
    file.write_text("seed: 4\nrandom_weights: true\n")
    assert of({}, config=file)["seeds"] == [4]
    assert of({}, config=file)["random_weights"] is True
    assert of({}, seeds=2, config=file)["seeds"] == 2


def test_the_version():
    done = subprocess.run(
        [sys.executable, "-m", "mmbench", "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{__version__}\n"
