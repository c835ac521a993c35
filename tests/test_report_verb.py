"""`mmbench report`: all questions of some records, in two formats, and what is no record."""

import json

import pytest
from board_records import add
from study_records import content, control, put

import mmbench
from mmbench import cli
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.questions import QUESTIONS

LOW = [0.1, 0.2, 0.3, 0.4, 0.1, 0.3]
HIGH = [value + 0.1 + 0.01 * place for place, value in enumerate(LOW)]


def test_one_record_answers_no_question_and_says_what_would(tmp_path):
    put(tmp_path, "VBPR", "classic", LOW, seeds=[1])
    made = mmbench.report(tmp_path)
    assert [one.question for one in made.answers] == list(QUESTIONS)
    for one in made.answers:
        assert one.verdict.startswith("These records do not answer it"), one.question
        assert one.rows == ()
        assert any("`mmbench sweep --model" in note for note in one.notes), one.question
    assert "· 1 record" in made.markdown()


def test_the_command_lines_of_what_is_lacking_are_understood(tmp_path):
    """Each is read by the sweep's own reader of names, which refuses what cannot be."""
    import re
    import shlex

    from mmbench.benchmark import of_flags
    from mmbench.request import flags

    put(tmp_path, "VBPR", "efficientnet+minilm", LOW, seeds=[1], dataset="toyshop")
    lines = re.findall(r"`(mmbench sweep [^`]*)`", mmbench.report(tmp_path).markdown())
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line)[2:]
        named = {w[2:]: words[i + 1] for i, w in enumerate(words[:-1]) if w.startswith("--")}
        known = ("model", "encoder", "dataset", "protocol", "paradigm")
        asked = flags(*(named.get(name) for name in known))
        assert of_flags(names=asked, search={}, seeds=None, file=None, no_search=False, settings={})


def test_a_record_without_features_alone(tmp_path):
    told = {"weights": "none", "modalities": [], "control": True}
    put(tmp_path, "BPR", "id", LOW, told)
    for one in mmbench.report(tmp_path).answers:
        assert one.rows == (), one.question


def test_no_record_and_wrong_names_are_told(tmp_path):
    with pytest.raises(UsageError, match="mmbench run"):
        mmbench.report(home=Home(tmp_path))
    put(tmp_path, "VBPR", "classic", LOW)
    with pytest.raises(UsageError, match="--question content: the nearest is content-gain"):
        mmbench.report(tmp_path, questions=["content"])
    with pytest.raises(UsageError, match="the nearest is recall@20"):
        mmbench.report(tmp_path, metric="recal@20")


def test_foreign_files_are_left_out_and_told(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH)
    put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"))
    (tmp_path / "foreign.json").write_text('{"a": 1}')
    (tmp_path / "half.json").write_text('{"schema": 1, "tri')
    made = mmbench.report(tmp_path, questions=["content-gain"])
    assert len(made.answers[0].rows) == 1
    assert len(made.left_out) == 2
    assert "foreign.json" in made.markdown()


def test_nan_and_failures_are_left_out_and_told(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH, seeds=[1])
    add(tmp_path, "VBPR", "classic", 2, float("nan"), HIGH, told=content())
    add(tmp_path, "VBPR", "classic", 3, 0.0, status="failed", told=content())
    put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"), seeds=[1])
    made = mmbench.report(tmp_path, questions=["content-gain"])
    assert made.answers[0].rows[0]["seeds"] == 1
    assert any("recall@20 is nan" in line for line in made.left_out)
    assert any("failed" in line for line in made.left_out)
    only = tmp_path / "only"
    add(only, "VBPR", "classic", 1, 0.0, status="failed", told=content())
    with pytest.raises(UsageError, match=r"no record of recall@20 went well"):
        mmbench.report(only)


def test_nan_of_some_users_is_no_test(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH, seeds=[1])
    holes = [float("nan"), *HIGH[1:]]
    add(tmp_path, "VBPR", "classic", 2, 0.3, holes, told=content())
    put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"))
    (one,) = mmbench.report(tmp_path, questions=["content-gain"]).answers
    assert one.rows[0]["outcome"] == "untested"
    assert any("is NaN" in note for note in one.notes)


def test_no_user_in_common(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH)
    path = put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"), seeds=[1])
    import numpy as np

    users = np.array([f"stranger{place}" for place in range(len(LOW))])
    np.savez_compressed(path.with_suffix(".npz"), users=users, **{"recall@20": np.array(LOW)})
    (one,) = mmbench.report(tmp_path, questions=["content-gain"]).answers
    assert one.rows[0]["outcome"] == "untested"
    assert any("0 users in common" in note for note in one.notes)


def test_json_is_whole_and_finite(tmp_path, capsys):
    put(tmp_path, "VBPR", "classic", [value + 1 for value in LOW])  # d_z is infinite
    put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"))
    words = ["report", str(tmp_path), "--question", "content-gain", "--format", "json"]
    assert cli.main(words) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told["records"] == 4
    assert told["answers"][0]["rows"][0]["difference"] == pytest.approx(1)


def test_the_command_writes_a_file_and_refuses_typos(tmp_path, capsys):
    put(tmp_path, "VBPR", "classic", LOW)
    out = tmp_path / "report.md"
    words = ["report", str(tmp_path), "--question", "id-only", "--question", "quality-cost"]
    assert cli.main([*words, "--out", str(out)]) == 0
    assert out.read_text().count("\n### ") == 2
    for more, told in (
        (["--format", "yaml"], "--format yaml"),
        (["--question", "pareto"], "--question pareto"),
        (["--metric", "ndgc@20"], "ndcg@20"),
    ):
        capsys.readouterr()
        assert cli.main(["report", str(tmp_path), *more]) == 2
        err = capsys.readouterr().err
        assert told in err
        assert err.count("\n") == 1


def test_names_are_shown_as_they_stand(tmp_path):
    put(tmp_path, "VBPR", "file:a|b_<script>", LOW)
    put(tmp_path, "VBPR", "permuted:file:a|b_<script>", HIGH, control("file:a|b_<script>"))
    text = mmbench.report(tmp_path, questions=["content-gain"]).markdown()
    assert "a\\|b" in text
    assert "\\<script>" in text
    assert "VBPR" in text


def test_the_help_names_every_question():
    from mmbench.report_command import report

    assert all(name in report.__doc__ for name in QUESTIONS)


def test_real_trials_are_answered(toyshop_home, tmp_path):
    home = toyshop_home.root
    few = {"hyperparameters": {"epochs": 3}, "dataset": "toyshop", "home": home}
    for encoder in ("classic", "permuted:classic", "noise"):
        mmbench.run(model="VBPR", encoder=encoder, **few)
    mmbench.run(model="BPR", encoder="id", **few)
    made = mmbench.report(home / "results" / "toyshop", home=home)
    found = {one.question: one for one in made.answers}
    assert {row["group"] for row in found["content-gain"].rows} >= {"shuffled", "random"}
    assert "paired t-tests over users" in found["content-gain"].verdict
    assert found["id-only"].rows[0]["users"] > 30
    assert found["quality-cost"].rows
