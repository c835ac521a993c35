"""Wrong names and values: one line that names the nearest right one; nothing is written."""

import json

import pytest

CLASSIC = ("run", "--dataset", "tiny", "--encoder", "classic")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("rnu", "No such command 'rnu'. Did you mean 'run'?"),
        ("run --modle VBPR", "No such option: --modle (Possible options: --encoder"),
        ("run --model", "'--model' requires an argument"),
        ("run now", "unexpected extra argument(s) (now)"),
        ("run --model VBRP", "unknown recommender 'VBRP': the nearest is VBPR"),
        ("run --encoder clasic", "unknown encoder 'clasic': the nearest is classic"),
        ("run --encoder permuted:clasic", "unknown encoder 'clasic': the nearest is classic"),
        ("run --encoder classic:x", "'classic' takes nothing after a colon"),
        ("run --encoder file:", "write file:PATH"),
        ("run --dataset tinny", "dataset 'tinny' is not prepared in "),
        ("run --dataset tinny", "the nearest is tiny"),
        ("run --protocol randm", "unknown protocol 'randm': the nearest is random"),
        ("run --dataset tiny --protocol leave-one-out", "was split by protocol 'random'"),
        ("run --dataset tiny --paradigm forzen", "the nearest is frozen"),
        ("run --model Pop --encoder classic --dataset tiny", "leave out --encoder classic"),
        ("run --dataset tiny --device gpu", "use auto, cpu, cuda or cuda:N"),
        ("run --dataset tiny --device cuda:99", "--device cuda:99"),
        ("run --seeds 0", "'--seeds'"),
        ("run --seeds two", "'--seeds'"),
        ("run --seeds 99 --dataset tiny --model BPR", "--seeds 99: protocol random has 5"),
        ("run --seed -1", "'--seed'"),
        ("run --seed 4294967296", "'--seed'"),
        ("run --seed 1 --seeds 2", "--seed names one, --seeds counts them"),
        ("encode --encoder clasic --dataset tiny", "the nearest is classic"),
        ("encode --encoder classic --dataset tinny", "the nearest is tiny"),
        ("encode --encoder classic", "Missing option '--dataset'"),
        ("encode --encoder openclip:ViT-B-32 --dataset tiny", "--random-weights"),
        ("prepare foldr", "unknown dataset 'foldr': the nearest is folder"),
        ("prepare folder", "Missing option '--interactions'"),
        ("prepare toyshop --items few --name new", "'--items'"),
        ("prepare toyshop --items 3 --name new", "greater than or equal to 24"),
        ("prepare toyshop --protocol randm --name new", "the nearest is random"),
        ("list datset", "the nearest is datasets"),
        ("show clasic", "nothing is called 'clasic': the nearest is classic"),
        ("leaderboard", "make one with `mmbench run`"),
    ],
)
def test_a_wrong_word(tiny, refused, words, told):
    assert told in refused(*words.split())


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("lerning_rate=0.1", "no such key; the nearest is learning_rate"),
        ("learning_rate=fast", "learning_rate=fast: expected a number"),
        ("learning_rate=-1", "expected more than 0 and at most 10"),
        ("learning_rate=.inf", "expected more than 0 and at most 10"),
        ("learning_rate=.nan", "learning_rate=nan: expected"),
        ("learning_rate=true", "expected a number"),
        ("epochs=1.5", "epochs=1.5: expected a whole number"),
        ("epochs=0", "expected at least 1"),
        ("epochs=", "expected a whole number"),
        ("epochs=[1, 2]", "one value, please"),
        ("learner=adamm", "the nearest is adam"),
        ("trainable_features=2", "expected true or false"),
        ("epochs", "write --set KEY=VALUE"),
        ("=1", "write --set KEY=VALUE"),
        ("epochs=!!python/object/apply:os.getpid []", "not plain YAML"),
    ],
)
def test_a_wrong_setting(tiny, refused, setting, told):
    line = refused(*CLASSIC, "--set", setting)
    assert f"--set {setting.partition('=')[0]}" in line
    assert told in line


def test_a_recommender_that_is_not_trained_has_no_learning_rate(tiny, refused):
    line = refused("run", "--model", "ItemKNN", "--dataset", "tiny", "--set", "learning_rate=1")
    assert "--set learning_rate: ItemKNN has no such key" in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modle: VBPR", "unknown key 'modle': the nearest is model"),
        ("model: VBRP", "the nearest is VBPR"),
        ("hyperparameters: {epocs: 1}", "the nearest is epochs"),
        ("hyperparameters: {epochs: [1, 2]}", "expected a whole number"),
        ("hyperparameters: {learning_rate: __import__('os').mkdir('pwned')}", "expected a number"),
        ("model: !!python/object/apply:os.mkdir [pwned]", "line 1: not plain YAML"),
        ("seeds: !!python/object/new:os.mkdir {args: [pwned]}", "line 1: not plain YAML"),
        ("seeds: many", "seeds: Input should be a valid integer"),
        ("seeds: 0", "seeds: Input should be greater than or equal to 1"),
        ("model: VBPR\nmodel: BPR", "key 'model' stands twice"),
        ("hyperparameters:\n\tepochs: 1", "line 2: not plain YAML"),
        ("model: [VBPR", "not plain YAML"),
        ("a: &a {b: *a}", "not plain YAML"),
        ("a: " + 5000 * "[", "not plain YAML"),
        ("- model", "expected `key: value` lines"),
        ("", "expected `key: value` lines"),
        ("\x00", "not plain YAML"),
    ],
)
def test_a_wrong_yaml(tiny, refused, tmp_path, monkeypatch, text, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(text)
    assert told in refused(*CLASSIC, "--config", "run.yaml")
    assert not (tmp_path / "pwned").exists()


def test_a_yaml_that_cannot_be_read(tiny, refused, tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"model: \xff\xfe")
    for path in ("latin.yaml", "missing.yaml", "."):
        assert f"cannot read {tmp_path / path}" in refused("run", "--config", tmp_path / path)


def test_the_yaml_is_used(tiny, cli, tmp_path):
    text = "model: BPR\ndataset: tiny\nhyperparameters: {epochs: 1, learning_rate: 1e-2}\n"
    (tmp_path / "run.yaml").write_text(text)
    code, out, _ = cli("run", "--config", tmp_path / "run.yaml", "--json")
    assert code == 0
    assert json.loads(out)["trial"]["hyperparameters"]["learning_rate"] == 0.01


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot read the record"),
        ("not JSON", "cannot read the record"),
        ("[" * 100_000, "cannot read the record"),
        ("[1, 2]", "is no record"),
        ("{}", "is no record"),
        ('{"schema": 1, "trial": 3}', "is no record"),
        ('{"schema": 99, "trial": {}}', "schema 99, this mmbench reads 1"),
        ('{"schema": 1, "trial": {}}', "it lacks the key"),
    ],
)
def test_a_record_that_is_none(tiny, refused, tmp_path, text, told):
    path = tmp_path / "record.json"
    if text is not None:
        path.write_text(text)
    line = refused("run", "--from", path)
    assert str(path) in line
    assert told in line


@pytest.mark.parametrize(
    "more",
    ["--model VBPR", "--seed 0", "--seeds 2", "--set epochs=1", "--random-weights"],
)
def test_a_record_with_other_wishes(tiny, refused, more):
    assert "--from repeats a record as it is" in refused("run", "--from", "r.json", *more.split())


def test_a_record_of_a_dataset_that_is_not_here(tiny, cli, refused):
    code, out, _ = cli("run", "--model", "Pop", "--dataset", "tiny", "--json")
    assert code == 0
    record = next((tiny / "results").rglob("*.json"))
    (tiny / "datasets" / "tiny").rename(tiny / "datasets" / "other")
    line = refused("run", "--from", record)
    assert "dataset 'tiny' is not prepared" in line
    assert json.loads(out)["trial"]["dataset"] == "tiny"


def test_a_metric_the_records_lack(tiny, cli, refused):
    assert cli("run", "--model", "Pop", "--dataset", "tiny")[0] == 0
    assert "the nearest is recall@20" in refused("leaderboard", "--metric", "recal@20")
    assert "recall@20" in cli("leaderboard", "--metric", "recall@20")[1]


def test_a_name_with_a_line_break_stays_one_line(tiny, refused):
    assert "unknown recommender 'VB PR'" in refused("run", "--model", "VB\nPR")
