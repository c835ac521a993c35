"""The gallery in a real browser: choosing, hits, what an enemy wrote, phone, dark, print."""

import json

import pytest
from browser import CHROMIUM, Browser
from hung import EVIL, QUOTED, USERS, filled, part, shop

from mmbench.board.leaderboard import leaderboard
from mmbench.board_page.page import page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
DOWN = {"code": "ArrowDown", "windowsVirtualKeyCode": 40}
TITLES = {"i0": EVIL, **{f"i{place}": f"toy {place}" for place in range(1, 10)}}
WHO = "document.querySelector('.who').textContent"
STATUS = "document.querySelector('.gallery [role=status]').textContent"
PARTS = """[...document.querySelectorAll('.gallery .part')].map((part) => [
  part.querySelector('h4').firstChild.textContent,
  [...part.querySelectorAll('.card')].map((card) => [
    card.querySelector('.title').textContent,
    card.querySelector('.mark')?.textContent ?? '',
    card.classList.contains('hit'),
  ]),
])"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def hung(tmp_path_factory):
    """The page of a home, its dataset and what its records recommended."""
    home = tmp_path_factory.mktemp("home")
    dataset = shop(home)
    lists = filled(home, dataset)
    path = home / "page.html"
    path.write_text(page(leaderboard(home / "results"), gallery=9, home=home), encoding="utf-8")
    return path, dataset, lists


@pytest.fixture
def tab(browser, hung):
    browser.look()
    browser.open(hung[0])
    yield browser
    assert browser.said == []


def choose(tab, noun, name):
    """Take an option as a person would: the list tells its change."""
    tab.run(
        f"(() => {{ const list = document.querySelector('select.{noun}'); list.value = "
        f"[...list.options].findIndex((one) => one.text === {json.dumps(name)});"
        "list.dispatchEvent(new Event('change', { bubbles: true })); })()"
    )


def test_hits_are_marked_where_the_test_part_has_the_item_and_nowhere_else(tab, hung):
    _, dataset, lists = hung
    held_out, n_marked = part(dataset, "test"), 0
    for user in USERS:
        wanted = {item for item, _ in held_out[user]}
        for model in ("VBPR", "BPR"):
            choose(tab, "user", user)
            choose(tab, "recommender", model)
            shown = dict(tab.run(PARTS))
            for encoder in ("classic", EVIL):
                cards = [
                    [TITLES[item], "✓ hit" if item in wanted else "", item in wanted]
                    for item in lists[model, encoder][user]
                ]
                assert shown[encoder] == cards
                n_marked += sum(hit for *_, hit in cards)
            for item, mark, _ in shown["Held out for the test:"]:
                n = sum(item in map(TITLES.get, lists[model, e][user]) for e in ("classic", EVIL))
                assert mark == (f"✓ in {n} of 2" if n else "")
            assert {item for item, *_ in shown["Held out for the test:"]} == {
                TITLES[item] for item in wanted
            }
    assert n_marked > 4


def test_the_keyboard_chooses_and_the_count_is_told(tab):
    assert tab.run(WHO) == "User 2, BPR"
    assert tab.run("document.querySelector('.gallery [role=status]').ariaLive") == "polite"
    tab.run("document.querySelector('select.user').focus()")
    tab.key("ArrowDown", **DOWN)
    assert tab.run(WHO) == "User 10, BPR"
    tab.key("Tab", code="Tab", windowsVirtualKeyCode=9)
    assert tab.run("document.activeElement.className") == "recommender"
    tab.key("ArrowDown", **DOWN)
    assert tab.run(WHO) == "User 10, VBPR"
    n = tab.run("document.querySelectorAll('.card.hit').length")
    hits = f"{n} hit" if n == 1 else f"{n} hits"
    assert tab.run(STATUS) == f"User 10, VBPR: {hits} in 12 recommendations of 2 encoders"


def test_what_an_enemy_wrote_is_shown_and_not_run(tab):
    choose(tab, "user", QUOTED)
    assert tab.run(WHO) == f"User {QUOTED}, BPR"
    titles = tab.run("[...document.querySelectorAll('.card .title')].map((e) => e.textContent)")
    assert EVIL in titles
    assert EVIL in [name for name, _ in tab.run(PARTS)]
    assert tab.run("document.title") == "Leaderboard"
    assert tab.run("document.scripts.length") == 3
    sources = tab.run("[...document.images].map((image) => image.getAttribute('src'))")
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert tab.run("document.querySelectorAll('.gallery b, .gallery script').length") == 0


def test_a_script_that_slips_into_a_gallery_is_refused(browser, hung, tmp_path):
    path = tmp_path / "slipped.html"
    slip = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
    text = hung[0].read_text(encoding="utf-8")
    path.write_text(text.replace('<div class="hung">', f'{slip}<div class="hung">'), "utf-8")
    browser.look()
    browser.open(path)
    assert browser.run("document.title") == "Leaderboard"
    assert "Content Security Policy" in json.dumps(browser.said)
    assert browser.run(WHO) == "User 2, BPR"


def test_nothing_is_fetched_and_every_picture_is_seen(tab):
    fetched = (
        "performance.getEntriesByType('resource').filter((one) => !one.name.startsWith('data:'))"
    )
    assert tab.run(f"{fetched}.length") == 0
    tab.run("document.querySelector('.gallery').scrollIntoView()")
    images = "[...document.querySelectorAll('.gallery img')]"
    tab.call(
        "Runtime.evaluate",
        expression=f"Promise.all({images}.map((image) => image.decode()))",
        awaitPromise=True,
    )
    assert tab.run(f"{images}.every((image) => image.naturalWidth > 0)")
    assert tab.run(f"{images}.every((image) => image.alt.startsWith('picture of '))")
    assert tab.run(f"{images}.length") > 10


def test_what_has_no_picture_is_shown_by_its_title(tab):
    # What is below the fold has a text before it is drawn, and innerText tells only what is drawn.
    texts = "['.title', '.why'].map((part) => box.querySelector(part).textContent)"
    told = dict(tab.run(f"[...document.querySelectorAll('.frame.none')].map((box) => {texts})"))
    assert set(told) <= {"toy 5", "toy 6"}
    assert told["toy 5"] == "no picture"


@pytest.mark.parametrize("dark", [False, True])
def test_marks_stand_out(tab, dark):
    tab.look(dark=dark)
    for selector in (".mark", ".rank", ".gallery select", ".part h4 .pale", ".card .title"):
        assert tab.contrast(selector) >= 4.5, selector
    style = "getComputedStyle(document.querySelector('.hit .frame')).outlineStyle"
    assert tab.run(style) == "solid"


def test_a_phone_shows_several_beside_each_other(tab):
    tab.look(390, 844)
    tab.run("document.querySelector('.gallery').scrollIntoView()")
    assert tab.run("document.documentElement.scrollWidth") == 390
    lefts = "new Set([...document.querySelectorAll('.card')].map((card) => card.offsetLeft)).size"
    assert 3 <= tab.run(lefts) <= 5
    sides = "[...document.querySelectorAll('.card')].map((c) => c.getBoundingClientRect().right)"
    assert max(tab.run(sides)) <= 390


def test_the_chosen_user_is_printed(tab, tmp_path):
    choose(tab, "user", "10")
    tab.look(media="print")
    assert tab.run("document.querySelector('.choices').offsetHeight") == 0
    assert tab.run(WHO) == "User 10, BPR"
    assert tab.run("document.querySelector('.who').offsetHeight") > 0
    assert tab.run("document.querySelector('.gallery img').offsetHeight") > 0
    tab.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().count(b"/Subtype /Image") >= 7


def test_choices_and_pictures_have_names(tab):
    tab.run("document.querySelector('.gallery').style.contentVisibility = 'visible'")
    tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    names = {}
    for node in tree:
        if not node["ignored"]:
            names.setdefault(node["role"]["value"], []).append(node["name"]["value"])
    assert {"User", "Recommender"} <= set(names["combobox"])
    assert f"picture of {EVIL}" in names["image"]
    assert all(name.strip() for name in names["image"])
    assert names["status"]
