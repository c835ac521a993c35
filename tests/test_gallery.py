"""The gallery of a page as a value: who is shown, what they took, hits, pictures, and why not."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from board_records import add
from hung import BARE, EVIL, QUOTED, TWIN, UNREAD, USERS, filled, held, part, record, shop
from PIL import Image

import mmbench
from mmbench import cli
from mmbench.board.leaderboard import leaderboard
from mmbench.board_page.gallery import gallery
from mmbench.board_page.histories import histories
from mmbench.board_page.names import named
from mmbench.board_page.page import page
from mmbench.board_page.thumbnails import SIDES, thumbnails
from mmbench.errors import UsageError
from mmbench.home import Home


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    home = tmp_path_factory.mktemp("hung")
    return home, shop(home)


@pytest.fixture
def home(prepared, tmp_path):
    """A home of its own that shares the dataset."""
    (tmp_path / "datasets").symlink_to(prepared[0] / "datasets")
    return tmp_path


@pytest.fixture
def dataset(prepared):
    return prepared[1]


def cells(home):
    return named(leaderboard(home / "results").tables[0], 0)


def drawn(home, users=10):
    return page(leaderboard(home / "results"), gallery=users, home=home)


def test_what_users_took_stands_with_the_latest_first(dataset):
    found = histories(dataset, USERS)
    for name in ("train", "test"):
        wanted = {
            user: tuple(item for item, _ in sorted(rows, key=lambda row: -row[1]))
            for user, rows in part(dataset, name).items()
        }
        assert {user: getattr(found[user], name) for user in wanted} == wanted
    assert len(wanted) == len(USERS)
    assert histories(dataset, ["nobody"])["nobody"].train == ()


def test_without_times_nothing_is_called_the_latest(tmp_path):
    dataset = shop(tmp_path, times=False)
    filled(tmp_path, dataset)
    (told,) = held(drawn(tmp_path))["galleries"]
    assert told["timed"] is False
    rows = part(dataset, "train")[QUOTED]
    assert histories(dataset, [QUOTED])[QUOTED].train == tuple(item for item, _ in rows)


def test_hits_are_the_items_of_the_test_part(home, dataset):
    lists = filled(home, dataset)
    (told,) = held(drawn(home))["galleries"]
    titles = {place: title for place, (title, *_) in enumerate(told["items"])}
    names = {"i0": EVIL, **{f"i{place}": f"toy {place}" for place in range(1, 10)}}
    assert len(told["systems"]) == 4
    assert [user["name"] for user in told["users"]] == ["2", "10", QUOTED]
    held_out = {user: {item for item, _ in rows} for user, rows in part(dataset, "test").items()}
    n_hits = 0
    for place, system in enumerate(told["systems"]):
        model = told["models"][system["model"]]
        for user in told["users"]:
            wanted = lists[model, system["label"]][user["name"]]
            assert [titles[item] for item in user["lists"][place]] == [names[i] for i in wanted]
            hits = [n for n, item in enumerate(wanted) if item in held_out[user["name"]]]
            assert user["hits"][place] == hits
            n_hits += len(hits)
    assert n_hits > 4


def test_users_are_those_of_all_lists_drawn_whatever_was_recommended(home, dataset):
    everyone = [f"u{place}" for place in range(30)]
    record(home, dataset, "VBPR", "a", 1, {user: ["i1"] for user in everyone})
    record(home, dataset, "VBPR", "b", 1, {user: ["i2"] for user in everyone[10:]})
    shown = gallery(cells(home), Home(home), 5)
    assert len(shown.users) == 5
    assert set(shown.users) <= set(everyone[10:])
    record(home, dataset, "VBPR", "b", 1, {user: ["i3"] for user in reversed(everyone[10:])})
    assert list(gallery(cells(home), Home(home), 5).users) == list(shown.users)
    assert set(gallery(cells(home), Home(home), 6).users) > set(shown.users)
    assert len(gallery(cells(home), Home(home), 99).users) == 20


def test_the_lowest_seed_that_keeps_lists_is_shown(home, dataset):
    record(home, dataset, "VBPR", "a", 3, {"2": ["i3"]})
    record(home, dataset, "VBPR", "a", 2, {"2": ["i2"]})
    record(home, dataset, "VBPR", "a", 1)
    (system,) = gallery(cells(home), Home(home), 1).systems
    assert system.seed == 2
    assert system.lists == {"2": ("i2",)}


def test_systems_without_lists_are_named(home, dataset):
    filled(home, dataset)
    record(home, dataset, "VBPR", "older", 1)
    record(home, dataset, "VBPR", "broken", 1, status="failed")
    text = drawn(home)
    assert "Without lists, and not shown: VBPR · older." in text
    assert len(held(text)["galleries"][0]["systems"]) == 4


def test_a_picture_is_in_the_page_once(home, dataset):
    filled(home, dataset)
    text = drawn(home)
    told = held(text)
    assert text.count("data:image/webp") == len(told["pictures"]) == len(set(told["pictures"])) == 7
    titles = {title: (place, why) for title, place, why in told["galleries"][0]["items"]}
    assert titles[EVIL][0] == titles[f"toy {TWIN[1:]}"][0]
    assert titles[f"toy {BARE[1:]}"] == (-1, "no picture")
    assert titles[f"toy {UNREAD[1:]}"][0] == -1


def test_a_picture_that_has_gone_is_told(tmp_path):
    dataset = shop(tmp_path)
    filled(tmp_path, dataset)
    (dataset.folder / dataset.catalog.frame["image"][1]).unlink()
    (told,) = held(drawn(tmp_path))["galleries"]
    assert ["toy 1", -1, "picture no such file or directory"] in told["items"]


def test_an_item_that_is_none_is_shown_by_its_id(home, dataset):
    record(home, dataset, "VBPR", "a", 1, {"2": ["nowhere", "i1"]})
    (told,) = held(drawn(home))["galleries"]
    assert ["nowhere", -1, "no picture"] in told["items"]


def test_names_of_data_are_no_part_of_the_page(home, dataset):
    filled(home, dataset)
    text = drawn(home)
    assert EVIL not in text
    assert QUOTED not in text
    assert "&lt;b&gt;&amp;</option>" in text
    assert text.count("<script") == 3
    assert "<img" not in text


def why(text):
    assert "data-gallery" in text
    assert 'id="galleries"' in text
    return re.search(r"No gallery: (.*?)</p>", text)[1]


def test_records_of_another_version_have_no_gallery(home, dataset):
    filled(home, dataset)
    for path in (home / "results").glob("*.json"):
        path.write_text(path.read_text().replace(dataset.fingerprint, "0" * 64))
    told = why(drawn(home))
    assert f"is version {dataset.fingerprint[:6]}, the records are of 000000" in told
    assert "--home" in told


def test_a_dataset_that_is_not_there_has_no_gallery(tmp_path, home, dataset):
    filled(home, dataset)
    other = page(leaderboard(home / "results"), gallery=3, home=tmp_path / "other")
    assert "dataset &#x27;shop&#x27; is not prepared" in why(other)
    assert "<h3>recall@20" in other


def test_a_changed_split_has_no_gallery(tmp_path):
    dataset = shop(tmp_path)
    filled(tmp_path, dataset)
    with (dataset.folder / "shop.test.inter").open("a") as file:
        file.write("2\ti1\t0\n")
    assert "shop.test.inter: changed since it was prepared" in why(drawn(tmp_path))


def test_records_of_before_there_were_lists_say_so(home, dataset):
    record(home, dataset, "VBPR", "a", 1)
    assert "the records keep no lists" in why(drawn(home))
    record(home, dataset, "VBPR", "a", 1, {})
    assert "the records keep no lists" in why(drawn(home))


def test_records_of_different_users_say_so(home, dataset):
    record(home, dataset, "VBPR", "a", 1, {"2": ["i1"]})
    record(home, dataset, "VBPR", "b", 1, {"10": ["i1"]})
    assert "no user has a list in all records" in why(drawn(home))


def test_trials_that_all_broke_say_so(home, dataset):
    record(home, dataset, "VBPR", "a", 1, status="failed")
    assert "the records keep no lists" in why(drawn(home))


def test_every_dataset_has_its_own(home, dataset):
    filled(home, dataset)
    add(home / "results", "VBPR", "x", 1, 0.2, dataset="attic", version="d2")
    text = drawn(home)
    assert len(held(text)["galleries"]) == 2
    assert text.count("No gallery: the records keep no lists") == 1
    assert '<a href="#gallery-1">shop: what users were recommended</a>' in text
    assert 'href="#gallery-0"' not in text
    beside = page(leaderboard(home / "results", by=["dataset", "model"]), gallery=1, home=home)
    assert "<h3>shop: what users were recommended</h3>" in beside


def test_thumbnails_shrink_until_they_fit(tmp_path):
    dice = np.random.RandomState(0)
    paths = [tmp_path / f"{place}.png" for place in range(60)]
    for path in paths:
        Image.fromarray(dice.randint(0, 256, (300, 200, 3), np.uint8)).save(path)
    letters = {}
    for room in (10**9, 400_000, 1):
        found = thumbnails([*paths, *paths], room)
        assert list(found) == paths
        letters[room] = sum(len(each.address) for each in found.values())
        assert {each.shape for each in found.values()} == {200 / 300}
    assert letters[10**9] > 450_000
    assert 200_000 < letters[400_000] < 420_000
    assert letters[1] == sum(len(e.address) for e in thumbnails(paths, 2).values())
    assert thumbnails([]) == {}


def test_small_pictures_are_not_blown_up(tmp_path):
    for side in (30, SIDES[0] * 2):
        Image.new("RGB", (side, side // 2)).save(tmp_path / f"{side}.png")
    small, large = thumbnails(sorted(tmp_path.iterdir(), key=lambda path: int(path.stem))).values()
    assert size(small) == (30, 15)
    assert size(large) == (SIDES[0], SIDES[0] // 2)


def size(thumbnail):
    data = base64.b64decode(thumbnail.address.partition(",")[2])
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


def test_a_page_without_a_gallery_is_as_it_was(home, dataset):
    filled(home, dataset)
    text = page(leaderboard(home / "results"))
    assert not [sign for sign in ("data-gallery", 'galleries"', ".hung", ".cards") if sign in text]
    assert text.count("<script") == 2


def test_the_command_draws_a_gallery(home, dataset, capsys):
    filled(home, dataset)
    words = ["leaderboard", "--home", str(home), "--format", "html"]
    for more, n_users in ((["--gallery"], 3), (["--gallery-users", "2"], 2)):
        assert cli.main([*words, *more]) == 0
        text = capsys.readouterr().out
        assert len(held(text)["galleries"][0]["users"]) == n_users
    assert text == mmbench.leaderboard_page(mmbench.leaderboard(home=home), gallery=2, home=home)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--gallery"], "--gallery is drawn on a page, not in md: add --format html"),
        (["--format", "csv", "--gallery-users", "3"], "not in csv"),
        (["--format", "html", "--gallery-users", "0"], "--gallery-users"),
    ],
)
def test_the_command_refuses_what_it_cannot_draw(home, dataset, capsys, more, told):
    filled(home, dataset)
    assert cli.main(["leaderboard", "--home", str(home), *more]) == 2
    assert told in capsys.readouterr().err


def test_python_refuses_less_than_no_users(home, dataset):
    filled(home, dataset)
    with pytest.raises(UsageError, match="name 1 or more"):
        page(leaderboard(home / "results"), gallery=-1, home=Path(home))
