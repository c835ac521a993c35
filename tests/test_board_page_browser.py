"""The page of a leaderboard in a real browser: sorting, filtering, records, phone, dark, print."""

import json

import numpy as np
import pytest
from board_records import CONTROL, add
from browser import CHROMIUM, Browser

from mmbench.board.leaderboard import leaderboard
from mmbench.board_page.page import page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
EVIL = "</script><script>document.title = 'run'</script><!--<img src=x onerror=alert(1)> \"'&amp;"
ESCAPE = {"code": "Escape", "windowsVirtualKeyCode": 27}
ENTER = {"code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
LONG = "a-very-long-name-of-an-encoder:with/parts+and-more-parts@finetuned"
CURVE = [[epoch, 1.0, 0.1 + epoch / 50] for epoch in range(1, 9)]
ORDER = "[...document.querySelectorAll('.board tbody tr')].map((row) => row.cells[1].textContent)"
SHOWN = (
    "[...document.querySelectorAll('.board tbody tr')]"
    ".filter((row) => row.offsetHeight).map((row) => row.cells[1].textContent)"
)
TITLE = "document.getElementById('records-title').textContent"
OPEN = "document.getElementById('records').open"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A page of five trials; one failed, one is written by an enemy."""
    folder = tmp_path_factory.mktemp("board")
    rng = np.random.default_rng(0)
    kept = {"epochs": {"run": 8, "best": 7, "curve": CURVE}, "memory": {"host_peak_mb": 500.0}}
    for seed in (1, 2):
        users = rng.random(30) * seed / 2
        add(
            folder, "VBPR", LONG, seed, float(users.mean()), users,
            command=f"mmbench run --seed {seed}", seconds={"train": 5.0}, **kept,
        )  # fmt: skip
    add(folder, "VBPR", "permuted", 1, 0.09, told=CONTROL, seconds={"train": 50.0}, **kept)
    add(folder, "VBPR", "noise", 1, 0, status="failed", told=CONTROL, error={"message": "broke"})
    add(folder, "BPR", "id", 1, 0.1, told=CONTROL | {"modalities": []}, **kept)
    add(folder, "BPR", EVIL, 1, 0.01, command=EVIL, **kept)
    path = folder / "page.html"
    path.write_text(page(leaderboard(folder, costs=True)), encoding="utf-8")
    return path


@pytest.fixture
def tab(browser, whole):
    browser.look()
    browser.open(whole)
    yield browser
    assert browser.said == []


def test_a_head_sorts_both_ways_and_says_so(tab):
    sorted_by = "[...document.querySelectorAll('thead th')].map((head) => head.ariaSort)"
    assert set(tab.run(sorted_by)) == {"none"}
    tab.click("thead th:nth-child(5) button")
    assert tab.run(ORDER) == [LONG, "id", "permuted", EVIL, "noise"]
    assert tab.run(sorted_by)[4] == "descending"
    tab.click("thead th:nth-child(5) button")
    assert tab.run(ORDER) == [EVIL, "permuted", "id", LONG, "noise"]
    assert tab.run(sorted_by)[4] == "ascending"
    tab.click("thead th:nth-child(2) button")
    assert tab.run(sorted_by)[:5] == ["none", "ascending", "none", "none", "none"]
    assert tab.run(ORDER)[1:] == [LONG, "id", "noise", "permuted"]


def test_what_has_no_value_stands_last(tab):
    place = tab.run(
        "[...document.querySelectorAll('thead th')].findIndex((h) => h.innerText.match('train s'))"
    )
    for first in ("permuted", LONG):
        tab.click(f"thead th:nth-child({place + 1}) button")
        assert tab.run(ORDER)[0] == first
        assert set(tab.run(ORDER)[2:]) == {"id", EVIL, "noise"}


def test_words_filter_the_rows(tab):
    tab.click("#filter")
    tab.type("VBPR con")
    assert tab.run(SHOWN) == ["permuted", "noise"]
    assert tab.run("document.getElementById('count').textContent") == "2 of 5 rows"
    tab.type("nothing")
    assert tab.run(SHOWN) == []
    tab.run("document.getElementById('filter').select()")
    tab.key("Delete", code="Delete", windowsVirtualKeyCode=46)
    assert len(tab.run(SHOWN)) == 5
    assert tab.run("document.getElementById('count').textContent") == ""


def test_a_value_opens_its_records_by_mouse(tab):
    tab.click("[data-cell]")
    assert tab.run(OPEN) is True
    assert tab.run(TITLE) == f"VBPR · {LONG}"
    shown = tab.run("document.getElementById('records-body').innerText")
    assert "Seed 1: ok" in shown
    assert "mmbench run --seed 2" in shown
    assert tab.run("document.querySelectorAll('dialog g.this').length") == 2
    tab.click("dialog summary")
    facts = json.loads(tab.run("document.querySelector('dialog details[open] pre').textContent"))
    assert facts["fingerprints"]["dataset"] == "d1"
    tab.click("dialog .close")
    assert tab.run(OPEN) is False


def test_a_value_opens_its_records_by_key_and_focus_comes_back(tab):
    tab.run("document.querySelector('[data-cell=\"0-4\"]').focus()")
    tab.key("Enter", **ENTER)
    assert tab.run(OPEN) is True
    assert "broke" in tab.run("document.getElementById('records-body').innerText")
    assert tab.run("document.activeElement.id") == "records-title"
    tab.key("Escape", **ESCAPE)
    assert tab.run(OPEN) is False
    assert tab.run("document.activeElement.dataset.cell") == "0-4"


def test_what_an_enemy_wrote_is_shown_and_not_run(tab):
    tab.run("document.querySelector('[data-cell=\"0-3\"]').click()")
    assert tab.run(TITLE) == f"BPR · {EVIL}"
    assert tab.run("document.querySelector('dialog pre').textContent") == EVIL
    assert EVIL in tab.run(SHOWN)
    assert tab.run("document.title") == "Leaderboard"
    assert tab.run("document.querySelectorAll('img').length") == 0
    assert tab.run("document.scripts.length") == 2


def test_a_script_that_slips_in_is_refused(browser, whole, tmp_path):
    """The browser itself runs nothing but the page's own script."""
    path = tmp_path / "slipped.html"
    slip = "<script>document.title = 'run'</script><svg onload=\"document.title = 'run'\"></svg>"
    path.write_text(whole.read_text(encoding="utf-8").replace("<main>", f"<main>{slip}"), "utf-8")
    browser.open(path)
    assert browser.run("document.title") == "Leaderboard"
    assert "Content Security Policy" in json.dumps(browser.said)
    browser.click("[data-cell]")
    assert browser.run(OPEN) is True


def test_nothing_is_fetched(tab):
    assert tab.run("performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("dark", [False, True])
def test_words_and_marks_stand_out(tab, dark):
    tab.look(dark=dark)
    ground = tab.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 18, 18)" if dark else "rgb(255, 255, 255)")
    for selector in ("td button", "caption", "thead button", ".figure p", "#filter"):
        assert tab.contrast(selector) >= 4.5, selector
    tab.run(
        "for (const place of [0, 1, 2, 3, 4, 5, 6, 7]) document.body.insertAdjacentHTML("
        "'beforeend', `<i class='c${place}' id='c${place}' style='color: var(--c)'></i>`)"
    )
    assert min(tab.contrast(f"#c{place}") for place in range(8)) >= 4.5


def test_a_phone_scrolls_the_table_and_not_the_page(tab):
    tab.look(390, 844)
    assert tab.run("document.documentElement.scrollWidth") == 390
    scroller = "document.querySelector('.scroll')"
    assert tab.run(f"{scroller}.scrollWidth > {scroller}.clientWidth")
    assert tab.run(f"{scroller}.tabIndex") == 0
    drawn = "[...document.querySelectorAll('svg.plot')].map((plot) => plot.clientWidth)"
    assert max(tab.run(drawn)) <= 358
    tab.click("[data-cell]")
    box = tab.run("document.getElementById('records').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0
    assert box["right"] <= 390


def test_a_printed_page_has_no_controls(tab, tmp_path):
    tab.look(media="print")
    hidden = "[...document.querySelectorAll('.filter, dialog')].every((one) => !one.offsetHeight)"
    assert tab.run(hidden)
    assert tab.run("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    tab.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_every_control_and_drawing_has_a_name(tab):
    # What is far below the window is laid out when it comes near.
    tab.run(
        "document.querySelectorAll('.figure').forEach((f) => f.style.contentVisibility = 'visible')"
    )
    tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "searchbox", "image", "table", "region", "navigation"}
    told = [node for node in tree if node.get("role", {}).get("value") in roles]
    assert {node["role"]["value"] for node in told} >= roles - {"navigation"}
    assert all(node["name"]["value"].strip() for node in told if not node["ignored"])
