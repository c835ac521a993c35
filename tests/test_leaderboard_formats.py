"""Markdown, LaTeX, CSV and JSON: every name arrives as it is, every number in full."""

import csv
import json
import shutil
import subprocess
from io import StringIO

import pytest
from board_records import CONTROL, add

from mmbench.board.latex import escaped
from mmbench.board.leaderboard import leaderboard

NASTY = r"a_b & 50% #1 {x} $y$ ~ ^ \z <c> |d| e--f + 'g' `h` *i* [j](k) __l__"
DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx}
\usepackage[margin=1cm,landscape]{geometry}
\begin{document}
%s
\end{document}
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of records: three encoders of two recommenders, one of them broken."""
    tuned = {"weights": "random"}
    for seed in (1, 2, 3):
        add(tmp_path, "VBPR", NASTY, seed, 0.1 + seed / 30)
        add(tmp_path, "VBPR", "x_y+z", seed, 0.2 + seed / 70, told=tuned)
        add(tmp_path, "VBPR", "noise", seed, 0.05, told=CONTROL)
        add(tmp_path, "BPR_2", "x_y+z", seed, 0.2, told=tuned, energy_wh=0.5)
    add(tmp_path, "BPR_2", "noise", 1, 0.0, status="failed", told=CONTROL)
    return tmp_path


def test_names_in_markdown_stay_in_their_cell(folder):
    text = leaderboard(folder, by=["model"], columns=["encoder"]).markdown()
    table = [line for line in text.splitlines() if line.startswith("|")]
    bars = {len(line.replace(r"\|", "").split("|")) for line in table}
    assert bars == {3 + 2 * 3}
    assert r"\<c>" in text
    assert r"\*i\*" in text
    assert r"\[j\](k)" in text
    assert r"\__l_\_" in text
    assert "x_y+z" in text


def test_markdown_of_a_pivot(folder):
    text = leaderboard(folder, by=["model"], columns=["encoder"], metrics=["recall@20"]).markdown()
    assert text.startswith("### shop · protocol random · test · recall@20\n")
    assert "**0.2286** ± 0.0143" in text
    assert "<u>0.1667</u> ± 0.0333" in text
    assert "| failed " in text
    assert "- mean ± standard deviation over 3 seeds" in text
    assert "- (b) random weights: the encoder is untrained" in text
    assert "- shop · BPR_2 noise seed 1: failed" in text


def test_a_long_list_of_what_was_left_out_is_cut(folder):
    for number in range(80):
        (folder / f"foreign{number}.json").write_text("{}")
    board = leaderboard(folder)
    assert len(board.left_out) == 81
    assert "- and 31 more" in board.markdown()


def test_latex_has_rules_and_heads_over_columns(folder):
    text = leaderboard(folder, by=["model"], columns=["encoder"]).latex()
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{shop $\cdot$ protocol"):
        assert part in text
    assert r"\multicolumn{3}{c}{recall@20} & \multicolumn{3}{c}{ndcg@20}" in text
    assert r"\cmidrule(lr){2-4}\cmidrule(lr){5-7}" in text
    assert r"\textbf{0.2286} $\pm$ 0.0143" in text
    assert r"\underline{0.1667} $\pm$ 0.0333" in text
    assert r"x\_y+z (b)" in text
    assert "% left out: shop · BPR_2 noise seed 1: failed" in text


def test_latex_of_a_broken_line_stays_a_comment(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1)
    (tmp_path / "bad\n\\input{x}.json").write_text("{")
    text = leaderboard(tmp_path).latex()
    assert "% left out: cannot read" in text
    assert "\n\\input" not in text


def test_every_special_character_is_escaped():
    assert escaped("a_b&c%d#e+f") == r"a\_b\&c\%d\#e+f"
    assert escaped("\\{}$^~") == (r"\textbackslash{}\{\}\$\textasciicircum{}\textasciitilde{}")
    assert escaped("a-b---c – ±") == r"a-b-{}-{}-c \textendash{} $\pm$"
    assert escaped("a\nb\x00c") == "a bc"


@pytest.mark.parametrize("columns", [[], ["encoder"]])
def test_latex_compiles(folder, tmp_path_factory, columns):
    engine = shutil.which("pdflatex") or shutil.which("tectonic")
    if engine is None:
        pytest.skip("neither pdflatex nor tectonic is installed: LaTeX was not compiled")
    text = leaderboard(folder, by=["model"], columns=columns, costs=not columns).latex()
    place = tmp_path_factory.mktemp("tex")
    (place / "page.tex").write_text(DOCUMENT % text, encoding="utf-8")
    words = [engine, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    words = words if engine.endswith("pdflatex") else [engine, "page.tex"]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (place / "page.pdf").stat().st_size > 1000
    assert "Missing character" not in done.stdout
    assert "Overfull" not in done.stdout


def test_csv_is_a_line_a_cell_and_metric_in_full(folder):
    found = list(csv.DictReader(StringIO(leaderboard(folder).csv())))
    assert len(found) == 5 * 2
    (line,) = [x for x in found if x["encoder"] == NASTY and x["metric"] == "recall@20"]
    values = [0.1 + seed / 30 for seed in (1, 2, 3)]
    assert [float(value) for value in line["values"].split()] == values
    assert float(line["mean"]) == pytest.approx(sum(values) / 3, abs=1e-16)
    assert float(line["deviation"]) == pytest.approx(1 / 30)
    assert line["seeds"] == "1 2 3"
    assert line["trial_fingerprint"] == f"VBPR{NASTY}"
    (line,) = [x for x in found if x["state"] == "failed" and x["metric"] == "recall@20"]
    assert (line["mean"], line["broken_seeds"], line["control"]) == ("", "1", "True")


def test_json_says_whence(folder):
    told = json.loads(leaderboard(folder).json())
    (table,) = told["tables"]
    assert len(told["left_out"]) == 1
    (line,) = [each for each in table["cells"] if each["energy_wh"] and each["metric"] == "ndcg@20"]
    assert line["values"] == [0.1, 0.1, 0.1]
    assert line["energy_wh"] == 0.5
    assert line["notes"] == ["random weights"]
    assert [record["seed"] for record in line["records"]] == [1, 2, 3]
    assert line["records"][0]["fingerprints"]["dataset"] == "d1"
    assert (folder / line["records"][0]["path"]).is_file()


def test_the_frame_has_the_lines(folder):
    frame = leaderboard(folder).frame()
    assert len(frame) == 10
    assert frame.query("model == 'BPR_2' and state == 'ok'")["mean"].tolist() == [0.2, 0.1]
