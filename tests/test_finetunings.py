"""A benchmark that names `finetuned` fine-tunes its encoders once, then crosses them."""

import shutil

import pytest
import tiny_transformers

from mmbench.benchmark import read_benchmark
from mmbench.benchmark_check import check_benchmark
from mmbench.cells import cells
from mmbench.errors import UsageError
from mmbench.finetunings import finetunings, make_all
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.plan import plan

MACHINE = {"device": "cpu", "workers": 0}
HOW = "finetuning: {epochs: 1, batch_size: 16, learning_rate: 1.0e-3}\n"


class Lines:
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def say(self, line):
        self.said.append(line)

    def advance(self, task, done, total, note=""):
        pass


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "clip"
    tiny_transformers.make("clip", folder)
    return f"hf:{folder}"


@pytest.fixture
def home(toyshop_home, tmp_path):
    shutil.copytree(toyshop_home.datasets, tmp_path / "datasets")
    return Home(tmp_path)


@pytest.fixture
def asked(tmp_path, clip):
    """Return what reads a benchmark of the tiny encoder, VBPR and the lines that are given."""

    def read(text):
        path = tmp_path / "bench.yaml"
        path.write_text(
            f"datasets: [toyshop]\nencoders: ['{clip}', noise]\nrecommenders: [VBPR, BPR]\n"
            f"search: null\nset: {{epochs: 2}}\n{text}"
        )
        return read_benchmark(path)

    return read


def test_the_encoder_is_fine_tuned_once_and_stands_beside_its_base(home, clip, asked):
    benchmark, heard = asked("paradigms: [frozen, finetuned]\n" + HOW), Lines()
    before = {cell.name: cell for cell in cells(benchmark, home, MACHINE)}
    (name,) = (one for one in before if "finetuned" in one)
    assert before[name].pending
    opened = Opened(home, heard)
    make_all(benchmark, MACHINE, opened, heard)
    after = {cell.name: cell for cell in cells(benchmark, home, MACHINE)}
    assert list(after) == list(before)  # the id is that of the plan
    assert not after[name].pending
    assert len({cell.identity for cell in after.values()}) == 4  # 3 of VBPR, 1 of BPR
    (planned,) = plan(**after[name].request, seeds=[1], home=home)
    assert planned.trial.paradigm == "finetuned"
    assert planned.features.origin.meta["encoder"] == clip
    told = len(heard.said)
    make_all(benchmark, MACHINE, opened, heard)
    assert len(heard.said) == told  # nothing is made again


def test_what_is_to_be_fine_tuned_is_said_beforehand(home, asked):
    benchmark = asked("paradigms: [frozen, finetuned]\n" + HOW)
    checked = check_benchmark(benchmark, home, machine=MACHINE)
    assert len(checked.to_finetune) == 1
    assert "to fine-tune first: toyshop · hf:" in checked.text()
    assert all(one.finals == 0 for one in checked.cells)


def test_what_trains_is_the_same_as_in_end2end_unless_said(home, clip, asked):
    text = "paradigms: [finetuned, end2end]\nadapter: linear\n"
    opened = Opened(home, Lines())
    (made,) = finetunings(asked(text + HOW), MACHINE, opened).values()
    assert made.settings.adapter == "linear"
    own = asked(text + "finetuning: {adapter: lora}\n")
    (made,) = finetunings(own, MACHINE, opened).values()
    assert made.settings.adapter == "lora"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("paradigms: [frozen, finetuned]\n", "is not finetuned: say how with `finetuning`"),
        (HOW, "finetuning: name finetuned in `paradigms`"),
        ("paradigms: [finetuned]\nfinetuning: {los: itc}\n", "unknown key 'finetuning.los'"),
        ("paradigms: [finetuned]\nfinetuning: {adapter: lorra}\n", "finetuning.adapter"),
    ],
)
def test_mistakes_are_told(home, asked, text, said):
    with pytest.raises(UsageError) as error:
        cells(asked(text), home, MACHINE)
    assert said in str(error.value)


def test_an_encoder_that_cannot_be_trained_is_told_with_its_place(home, tmp_path):
    path = tmp_path / "bench.yaml"
    path.write_text(
        "datasets: [toyshop]\nencoders: [classic]\nrecommenders: [VBPR]\n"
        "paradigms: [finetuned]\nfinetuning: {}\n"
    )
    with pytest.raises(UsageError, match="finetuning: toyshop · classic.*cannot be trained"):
        cells(read_benchmark(path), home, MACHINE)
