"""`mmbench compare`: systems found by name, folder or file; a table, or JSON."""

import json
import shutil

import pytest

import mmbench as package
from mmbench import cli
from mmbench.home import Home

SETTINGS = {"epochs": 2, "stopping_step": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home of its own: the names of cells must mean the records below, not other tests'."""
    home = Home(tmp_path_factory.mktemp("home"))
    package.prepare("toyshop", users=60, items=40, home=home)
    return home


@pytest.fixture(scope="module")
def records(home):
    """Three real systems; one cell has a second trial, of another learning rate."""
    made = {}
    for encoder, settings, seeds in (
        ("classic", {}, (1, 2)),
        ("permuted:classic", {}, (1, 2)),
        ("oracle", {}, (1,)),
        ("oracle", {"learning_rate": 0.01}, (1, 2)),
    ):
        made[encoder] = [
            package.run(
                "VBPR",
                encoder,
                "toyshop",
                seed=seed,
                hyperparameters=SETTINGS | settings,
                home=home,
            )
            for seed in seeds
        ]
    return made


@pytest.fixture
def compare(home, records, capsys):
    """Run `mmbench compare` in process: (exit code, standard output, standard error)."""

    def run(*words):
        code = cli.main(["compare", *words, "--home", str(home.root)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_two_systems_in_a_table(compare, records):
    code, out, _ = compare("VBPR/classic", "VBPR/permuted:classic")
    assert code == 0
    recall, ndcg = out.split("### ")[1:]
    assert recall.startswith("toyshop · protocol random · recall@20 · ")
    assert "ndcg@20" in ndcg.splitlines()[0]
    header, _, baseline, other = (
        cells(line) for line in recall.splitlines() if line.startswith("|")
    )
    assert header[3] == "difference [95% interval]"
    assert "Holm" not in out
    assert baseline[:2] == ["VBPR/classic", "2"]
    assert baseline[3] == "baseline"
    tests = [r.values["metrics"]["test"]["recall@20"] for r in records["permuted:classic"]]
    assert other[2].startswith(f"{sum(tests) / 2:.4f} ± ")
    found = package.compare(records["classic"], records["permuted:classic"])
    assert other[3].startswith(f"{found.difference:+.4f} [")
    assert other[-2:] == [f"{found.t_test.p:.4f}", f"{found.wilcoxon.p:.4f}"]
    assert f"{found.users} users" in recall.splitlines()[0]


def test_more_systems_are_corrected(compare, records):
    """A record is one seed of its cell; the baseline may be any of them."""
    oracle = str(records["oracle"][0].path)
    words = ("VBPR/classic", oracle, "toyshop/permuted-classic/VBPR")
    code, out, _ = compare(*words, "--baseline", oracle, "--metric", "recall@20")
    assert code == 0
    rows = [cells(line) for line in out.splitlines() if line.startswith("|")]
    assert rows[0][-2:] == ["p t-test, Holm", "p Wilcoxon, Holm"]
    assert [row[0] for row in rows[2:]] == ["VBPR/oracle", "VBPR/classic", "VBPR/permuted:classic"]
    assert "Holm–Bonferroni over the 2 comparisons" in out
    assert "different numbers of seeds (VBPR/oracle 1, " in out
    assert "one seed of VBPR/oracle" in out
    assert "significant" not in out


def test_json_holds_all_of_it(compare, records):
    _, out, _ = compare("VBPR/classic", "VBPR/permuted:classic", "--json")
    one, other = json.loads(out)
    assert (one["metric"], other["metric"]) == ("recall@20", "ndcg@20")
    found = package.compare(records["classic"], records["permuted:classic"])
    assert one == json.loads(json.dumps(found.json_values()))


def test_a_folder_and_a_cell_are_the_same(compare, records):
    folder = records["classic"][0].path.parent
    outs = {
        compare(name, "VBPR/permuted:classic", "--json")[1]
        for name in (str(folder), "VBPR/classic", "toyshop/classic/VBPR")
    }
    assert len(outs) == 1


def test_several_trials_must_be_told_apart(compare, records):
    code, _, err = compare("VBPR/classic", "VBPR/oracle")
    assert code == 2
    assert "2 trials match" in err
    assert "learning_rate 0.01" in err
    name = err.strip().rsplit(" ", 1)[1]
    assert name.startswith("VBPR/oracle/")
    assert records["oracle"][0].path.name.startswith(name.rsplit("/", 1)[1])
    short = name[: len("VBPR/oracle/") + 6]
    folder = records["oracle"][0].path.parent
    for one in (name, short, f"toyshop/{short[5:11]}/VBPR/{short[12:]}", f"{folder}/{short[12:]}"):
        code, out, _ = compare("VBPR/classic", one, "--metric", "recall@20")
        assert code == 0
        assert "| VBPR/oracle" in out


def test_two_trials_of_one_cell_are_named_apart(compare, records):
    folder = records["oracle"][0].path.parent
    both = sorted({path.name.split("-")[0] for path in folder.glob("*.json")})
    _, out, _ = compare(*(f"VBPR/oracle/{each}" for each in both), "--metric", "recall@20")
    rows = [cells(line)[0] for line in out.splitlines() if line.startswith("|")]
    assert rows[2:] == [f"VBPR/oracle/{each}" for each in both]
    paths = [str(record.path) for record in records["classic"]]
    _, out, _ = compare(*paths, "--metric", "recall@20")
    rows = [cells(line)[0] for line in out.splitlines() if line.startswith("|")]
    assert rows[2:] == ["VBPR/classic seed 1", "VBPR/classic seed 2"]


def test_a_damaged_record_of_a_folder_is_told(compare, records, tmp_path):
    folder = shutil.copytree(records["classic"][0].path.parent, tmp_path / "mine")
    (folder / "half-s9.json").write_text('{"schema": 1, "tri')
    code, out, _ = compare(str(folder), "VBPR/permuted:classic", "--metric", "recall@20")
    assert code == 0
    assert "- VBPR/classic: cannot read the record" in out
    assert "half-s9.json" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("VBPR/clasic", "VBPR/permuted:classic"), "the nearest is VBPR/classic"),
        (("VBPR/classic", "gone.json"), "there is no such file"),
        (("VBPR/classic",), "two systems at least"),
        (("VBPR/classic", "VBPR/classic"), "two systems at least"),
        (("VBPR/classic", "VBPR/permuted:classic", "--metric", "recal@20"), "the nearest is"),
        (("VBPR/classic", "VBPR/permuted:classic", "--metric", " "), "--metric names none"),
        (("VBPR/classic", "."), "no record in"),
        (("VBPR/classic", "VBPR/classic/0000ffff"), "no record of 'VBPR/classic/0000ffff'"),
        ((), "Missing argument"),
    ],
)
def test_bad_input_is_one_line(compare, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    code, out, err = compare(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_record_without_its_vectors_is_refused(compare, records, tmp_path):
    lone = shutil.copy(records["classic"][0].path, tmp_path)
    code, _, err = compare(str(lone), "VBPR/permuted:classic")
    assert code == 2
    assert "its per-user metrics" in err
    assert "--force" in err
