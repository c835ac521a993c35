"""The page of a leaderboard as a value: what is drawn and told, and nothing of it is run."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from board_records import CONTROL, add

from mmbench import cli
from mmbench.board.leaderboard import leaderboard
from mmbench.board_page.costs import Point, front
from mmbench.board_page.curves import MOST, curves
from mmbench.board_page.embedded import embedded
from mmbench.board_page.intervals import LEAST, intervals, share
from mmbench.board_page.names import named
from mmbench.board_page.page import page
from mmbench.board_page.scale import Scale, spanning, tick
from mmbench.statistics import bootstrap_intervals

EVIL = "</script><script>document.title = 'run'</script><!--<img src=x onerror=alert(1)> \"'&amp;"
VOID = {"img", "meta", "input", "wbr"}


class Page(HTMLParser):
    """Collects elements and text, and fails on elements that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def cells(board):
    return named(board.tables[0], 0)


def held(text):
    """Return the values that the page holds for its script."""
    return json.loads(re.search(r'id="cells">(.*?)</script>', text, re.DOTALL)[1])


def test_a_table_is_named_and_every_value_leads_to_its_records(tmp_path):
    for seed in (1, 2):
        add(tmp_path, "VBPR", "classic", seed, 0.1 * seed, command=f"mmbench run --seed {seed}")
    add(tmp_path, "VBPR", "noise", 1, 0.0, status="failed", told=CONTROL, error={"message": "hm"})
    text = page(leaderboard(tmp_path))
    read = Page(text)
    assert {head["scope"] for head in read.all("th")} == {"col", "row"}
    assert len(read.all("caption")) == 1
    buttons = [button["data-cell"] for button in read.all("button") if "data-cell" in button]
    assert buttons == ["0-0", "0-0", "0-1", "0-1"]
    told = held(text)
    assert told["0-0"]["name"] == "VBPR · classic"
    assert [one["seed"] for one in told["0-0"]["records"]] == [1, 2]
    assert told["0-0"]["records"][1]["command"] == "mmbench run --seed 2"
    assert told["0-0"]["records"][1]["words"]["recall@20"] == "0.2000"
    assert told["0-0"]["records"][1]["facts"]["fingerprints"]["dataset"] == "d1"
    assert told["0-1"]["records"][0]["error"] == "hm"
    assert "0.1500" in read.text
    assert "failed" in read.text


def test_marks_are_words_and_the_legend_is_markdowns(tmp_path):
    for encoder, recall in (("a", 0.3), ("b", 0.2), ("c", 0.1)):
        add(tmp_path, "VBPR", encoder, 1, recall)
    board = leaderboard(tmp_path)
    text = page(board)
    assert '<b>0.3000</b><span class="unseen"> best</span>' in text
    assert '<u>0.2000</u><span class="unseen"> second</span>' in text
    assert all(line in Page(text).text for line in board.tables[0].legend)


def test_names_are_shown_and_never_part_of_the_page(tmp_path):
    add(tmp_path, "VBPR", EVIL, 1, 0.1, [0, 0.2, 0.3], command=EVIL, seconds={"train": 3.0})
    add(
        tmp_path,
        EVIL,
        "x",
        1,
        0.2,
        epochs={"run": 2, "best": 1, "curve": [[1, 0, 0.1], [2, 0, 0.2]]},
    )
    add(tmp_path, "VBPR", "y", 1, 0, status="failed", error={"message": EVIL, "traceback": EVIL})
    text = page(leaderboard(tmp_path))
    read = Page(text)
    assert [script.get("type") for script in read.all("script")] == ["application/json", None]
    assert not read.all("img")
    assert not [one for _, one in read.elements if any(name.startswith("on") for name in one)]
    assert held(text)["0-1"]["records"][0]["command"] == EVIL
    assert EVIL in read.text
    policy = next(one["content"] for one in read.all("meta") if "http-equiv" in one)
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'$", policy)


def test_half_a_surrogate_pair_can_be_written(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1)
    path = next(tmp_path.glob("*.json"))
    path.write_text(path.read_text().replace('"x"', '"x\\ud800"'))
    assert "x?" in page(leaderboard(tmp_path)).encode().decode()


def test_values_that_json_lacks_are_words():
    text = embedded({"a": [float("nan"), float("-inf"), 1.5], "b": "</script>&"}, "cells")
    assert text.count("<") == 2
    values = json.loads(text.partition(">")[2].removesuffix("</script>"))
    assert values == {"a": ["nan", "-inf", 1.5], "b": "</script>&"}


def test_intervals_are_those_over_users(tmp_path):
    rng = np.random.default_rng(0)
    values = {name: rng.random(40) for name in ("a", "b")}
    for name, users in values.items():
        add(tmp_path, "VBPR", name, 1, float(users.mean()), users)
    add(tmp_path, "VBPR", "c", 1, 0.4)
    board = leaderboard(tmp_path, metrics=["recall@20"])
    found = intervals("recall@20", cells(board))
    assert len(found) == 2
    named_cells = {each.series: each.id for each in cells(board)}
    for name, users in values.items():
        low, high = found[named_cells[name]]
        assert low < users.mean() < high
        (wanted,) = bootstrap_intervals(users)
        assert [low, high] == pytest.approx(wanted, abs=0.01)
    assert "1 without a line: no metrics of each user" in page(board)


def test_the_front_is_what_nothing_beats(tmp_path):
    wanted = {"a": (1, 0.1), "b": (2, 0.3), "c": (3, 0.2), "d": (3, 0.5), "e": (2, 0.2)}
    for name, (_, recall) in wanted.items():
        add(tmp_path, "VBPR", name, 1, recall)
    add(tmp_path, "VBPR", "oracle", 1, 0.9, told=CONTROL)
    points = [
        Point(each, wanted.get(each.series, (0.5, 0))[0], "s", each.cell.mean("recall@20"))
        for each in cells(leaderboard(tmp_path))
    ]
    assert [point.named.series for point in front(points)] == ["a", "b", "d"]
    assert [point.named.series for point in front(points, -1)] == ["a"]


def test_costs_of_nothing_are_drawn(tmp_path):
    """Pop trains in no time, and an axis of factors has no 0."""
    add(tmp_path, "Pop", "id", 1, 0.1, seconds={"encode": 0.0, "train": 0.0})
    add(tmp_path, "VBPR", "x", 1, 0.2, seconds={"encode": None, "train": 9.0})
    text = page(leaderboard(tmp_path))
    assert "recall@20 against cost" in text
    assert "Pop · id: 0.1000, 0 s" in text


def test_curves_keep_their_ends_and_the_best_epoch(tmp_path):
    rows = [[epoch, 0.5, epoch / 1000 if epoch % 2 else None] for epoch in range(1, 1000)]
    add(tmp_path, "VBPR", "x", 1, 0.2, epochs={"run": 999, "best": 433, "curve": rows})
    add(tmp_path, "VBPR", "y", 1, 0.1, epochs={"run": 1, "best": 1, "curve": [[1, 0.5, 0.1]]})
    x, y = cells(leaderboard(tmp_path))
    (curve,) = curves(x)
    epochs = [epoch for epoch, _ in curve.points]
    assert {1, 433, 999} <= set(epochs)
    assert len(epochs) <= MOST + 2
    assert epochs == sorted(epochs)
    assert curves(y) == []


def test_popularity_is_drawn_where_it_was_measured(tmp_path):
    measured = {"recall@20": 0.2, "ndcg@20": 0.1, "recall-head@10": 0.9, "recall-tail@10": 0.1}
    add(tmp_path, "VBPR", "x", 1, 0, metrics=measured | {"recall-cold@10": float("nan")})
    text = page(leaderboard(tmp_path))
    assert "recall@10 by popularity" in text
    assert "VBPR · x, head: 0.9000" in text
    assert "VBPR · x, cold" not in text
    add(tmp_path / "b", "VBPR", "x", 1, 0.1)
    assert "by popularity" not in page(leaderboard(tmp_path / "b"))


@pytest.mark.parametrize(
    "chosen", [{"by": ["model"], "columns": ["encoder"]}, {"by": ["dataset", "model"]}]
)
def test_other_tables_are_drawn_too(tmp_path, chosen):
    for dataset in ("a", "b"):
        for model in ("VBPR", "BPR"):
            add(tmp_path, model, "x", 1, 0.2, [0.1, 0.3], dataset=dataset, version=dataset)
    text = page(leaderboard(tmp_path, costs=True, **chosen))
    Page(text)
    assert sum(len(cell["records"]) for cell in held(text).values()) == 4
    assert len({cell["name"] for cell in held(text).values()}) == (2 if "columns" in chosen else 4)


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        ([0, 1], False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([0.21, 0.39], False, [0.25, 0.3, 0.35]),
        ([500, 1200], True, [600, 800, 1000, 1200]),
        ([3, 3], False, [2.8, 3.0, 3.2]),
        ([1, 100], True, [1, 2, 5, 10, 20, 50, 100]),
        ([0.01, 1e4], True, [0.01, 0.1, 1, 10, 100, 1000, 1e4]),
    ],
)
def test_ticks_are_round_and_within(values, log, ticks):
    scale = spanning(values, 0, 100, log)
    assert [round(value, 9) for value in scale.ticks()] == ticks
    assert all(0 <= scale.at(value) <= 100 for value in (*values, *ticks))


def test_places_on_an_axis():
    assert Scale(0, 10, 100, 0).at(2) == 80
    assert Scale(1, 100, 0, 10, log=True).at(10) == pytest.approx(5)
    assert [tick(value) for value in (0.1 + 0.2, 1000, 2e7)] == ["0.3", "1,000", "2e+07"]


def test_the_command_writes_the_page(tmp_path, capsys):
    add(tmp_path / "results", "VBPR", "x", 1, 0.2)
    words = ["leaderboard", str(tmp_path / "results"), "--format", "html"]
    out = tmp_path / "new" / "page.html"
    assert cli.main([*words, "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert cli.main(words) == 0
    assert capsys.readouterr().out == out.read_text(encoding="utf-8")


def test_datasets_have_figures_of_their_own(tmp_path):
    for dataset in ("a", "b"):
        add(
            tmp_path, "VBPR", "x", 1, 0.2,
            dataset=dataset, version=dataset, seconds={"train": 5.0},
        )  # fmt: skip
    text = page(leaderboard(tmp_path, by=["dataset", "model"]))
    for heading in ("a: recall@20 against cost", "b: recall@20 by encoder"):
        assert f"<h3>{heading}</h3>" in text
    assert text.count('<ol class="front">') == 2


def test_a_page_of_many_tables_draws_fewer_intervals_in_each(tmp_path):
    assert [share(n) for n in (0, 1, 5, 40, 10**6)] == [120, 120, 120, 15, LEAST]
    for place in range(LEAST + 2):
        add(tmp_path, "VBPR", f"x{place}", 1, place / 100, [0.1, place / 100])
    board = leaderboard(tmp_path)
    assert "Drawn are the first" not in page(board)
    many = page(replace(board, tables=board.tables * 25))
    assert many.count("Drawn are the first 12 of 14 rows") == 25 * 2
