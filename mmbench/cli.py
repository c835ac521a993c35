"""Verbs → functions: parsing and printing only; a verb's module is imported inside its function."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mmbench import __version__
from mmbench import options as opt
from mmbench.check_command import check
from mmbench.compare_command import compare
from mmbench.errors import UsageError
from mmbench.finetune_command import finetune
from mmbench.home import Home
from mmbench.leaderboard_command import leaderboard
from mmbench.prepare_group import PrepareGroup
from mmbench.publish_command import publish
from mmbench.report_command import report
from mmbench.sweep_command import sweep

if TYPE_CHECKING:
    from mmbench.console import Bars, Lines
    from mmbench.records import Record

FAILED, WRONG_USAGE = 1, 2
INTERRUPTED = 130  # what Typer makes of Ctrl-C
# Of Click, which newer versions of Typer carry within themselves.
Misuse = cast(type[Exception], typer.BadParameter.__base__)

app = typer.Typer(
    name="mmbench",
    help="Does this multi-modal encoder make that recommender better on this data?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(
    typer.Typer(
        cls=PrepareGroup, help="Make a dataset folder from a source.", no_args_is_help=True
    ),
    name="prepare",
)


@contextmanager
def progress() -> Iterator["Bars | Lines"]:
    """Yield the progress that suits standard error."""
    from mmbench.console import console

    with console() as shown:
        yield shown


@app.command()
def run(
    model: opt.ModelOption = None,
    encoder: opt.EncoderOption = None,
    dataset: opt.DatasetOption = None,
    protocol: opt.ProtocolOption = None,
    paradigm: opt.ParadigmOption = None,
    adapter: opt.AdapterOption = None,
    train_layers: opt.LayersOption = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="how many seeds (1)")] = None,
    seed: opt.SeedOption = None,
    set_: opt.SetOption = None,
    config: opt.ConfigOption = None,
    from_: opt.FromOption = None,
    random_weights: opt.RandomOption = False,
    weights: opt.WeightsOption = None,
    fuse: opt.FuseOption = None,
    long_texts: opt.LongTextsOption = None,
    precision: opt.PrecisionOption = None,
    dtype: opt.DtypeOption = None,
    missing: opt.MissingOption = None,
    inject_missing: opt.InjectOption = None,
    inject_seed: opt.InjectSeedOption = None,
    device: opt.DeviceOption = "auto",
    batch_size: opt.BatchOption = "auto",
    workers: opt.WorkersOption = None,
    eval_memory: opt.MemoryOption = None,
    home: opt.HomeOption = None,
    force: opt.ForceOption = False,
    resume: opt.ResumeOption = False,
    as_json: opt.JsonOption = False,
) -> None:
    """Encode, train, rank and record: one trial, or one a seed."""
    from mmbench import request

    flags = request.flags(model, encoder, dataset, protocol, paradigm)
    options = request.encoding(random_weights, weights, fuse, long_texts, precision, dtype)
    options |= request.gaps(missing, inject_missing, inject_seed)
    options |= request.tuning(adapter, train_layers)
    asked = request.of(flags, set_ or (), config, from_, seeds, seed, options)
    asked |= request.machine(device, batch_size, workers, eval_memory) | {"resume": resume}
    _print_records(_execute(asked, Home.find(home), force), as_json)


def _execute(asked: dict[str, Any], home: Home, force: bool) -> "list[Record]":
    from mmbench.plan import done, plan
    from mmbench.trial import execute

    records = []
    with progress() as shown:
        for planned in plan(**asked, home=home, progress=shown):
            found = None if force else done(planned)
            if found:
                shown.say(f"already recorded, see --force: {found.path}")
            records.append(found or execute(planned, shown))
    return records


def _told(test: dict[str, float]) -> list[str]:
    """Return which metrics a line shows: the usual two where the protocol has them."""
    return [name for name in ("recall@20", "ndcg@20") if name in test] or list(test)[:2]


def _print_records(records: "list[Record]", as_json: bool) -> None:
    if as_json:
        values = [record.values for record in records]
        print(json.dumps(values[0] if len(values) == 1 else values, indent=1, ensure_ascii=False))
    for record in records:
        if record.status != "ok":
            error = record.values["error"]
            print(f"{record.status}: {error['type']}: {error['message']}", file=sys.stderr)
            print(f"record: {record.path}", file=sys.stderr)
        elif not as_json:
            test = record.values["metrics"]["test"]
            shown = "  ".join(f"{name} {test[name]:.4f}" for name in _told(test))
            print(f"seed {record.trial['seed']}  {shown}  {record.path}")
    if any(record.status != "ok" for record in records):
        raise typer.Exit(FAILED)


@app.command()
def encode(
    encoder: Annotated[str, typer.Option(help="the encoder")],
    dataset: Annotated[str, typer.Option(help="a prepared dataset")],
    random_weights: opt.RandomOption = False,
    weights: opt.WeightsOption = None,
    fuse: opt.FuseOption = None,
    long_texts: opt.LongTextsOption = None,
    precision: opt.PrecisionOption = None,
    dtype: opt.DtypeOption = None,
    device: opt.DeviceOption = "auto",
    batch_size: opt.BatchOption = "auto",
    workers: opt.WorkersOption = None,
    home: opt.HomeOption = None,
    as_json: opt.JsonOption = False,
) -> None:
    """Encode a dataset's pictures and texts, and keep the features."""
    from mmbench.datasets.dataset import Dataset
    from mmbench.extract import extract
    from mmbench.feature_plan import plan_features
    from mmbench.machine import Machine
    from mmbench.request import encoding
    from mmbench.specs import Encoding

    wished = encoding(random_weights, weights, fuse, long_texts, precision, dtype)
    where = Home.find(home)
    machine = Machine.of(device, batch_size, workers)
    with progress() as shown:
        opened = Dataset.load(where, dataset)
        where.require_writable()
        planned = plan_features(opened, encoder, Encoding(**wished), machine, where)
        features = extract(planned, opened, shown)
    if as_json:
        print(json.dumps({"folder": str(planned.folder), **features.meta}, indent=1))
        return
    for name, feature in features.modalities.items():
        print(f"{name}: {feature.matrix.shape}, {int((~feature.mask).sum())} items without")
    print(planned.folder)


app.command()(finetune)
app.command()(compare)
app.command()(sweep)


@app.command("list")
def list_(
    noun: opt.NounArgument = None,
    home: opt.HomeOption = None,
    as_json: opt.JsonOption = False,
) -> None:
    """List what there is to choose from."""
    from mmbench.inventory import encoder_table
    from mmbench.inventory import list_ as listed

    found = listed(noun, Home.find(home))
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    if noun == "encoders":
        print(encoder_table(found[noun]))
        return
    for kind, described in found.items():
        print(kind)
        width = max(map(len, described), default=0)
        for name, description in described.items():
            print(f"  {name:<{width}}  {description}")


@app.command()
def show(
    name: opt.ShownArgument,
    of: opt.OfArgument = None,
    item: Annotated[list[str] | None, typer.Option(help="an item to show; repeatable")] = None,
    neighbours: Annotated[int, typer.Option(min=1, max=50, help="how many of each item")] = 8,
    home: opt.HomeOption = None,
    as_json: opt.JsonOption = False,
) -> None:
    """Show all that is known of a name, as JSON; or features, or a dataset: figures and a page."""
    from mmbench.reports import TAKES, print_report

    if name in TAKES:
        print_report(name, of or (), item or (), neighbours, home, as_json)
        return
    if of or item:
        raise UsageError(f"mmbench show {name} takes no more: see `mmbench show --help`")
    from mmbench.inventory import show as shown

    print(json.dumps(shown(name, Home.find(home)), indent=1, ensure_ascii=False))


app.command()(check)
app.command()(leaderboard)
app.command()(report)
app.command()(publish)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def main(words: list[str] | None = None) -> int:
    """Run the command line; a mendable error is one line and status 2, never a traceback."""
    try:
        code: int | None = app(args=words, standalone_mode=False)
    except UsageError as error:
        return _refuse(str(error))
    except Misuse as error:
        return _refuse(_misuse(error))
    except OSError as error:
        return _refuse(f"{error}: is the disk full, or read-only? see --home")
    if code == INTERRUPTED:
        told = "the same command goes on where it can (a training: --resume)"
        print(f"mmbench: stopped; {told}", file=sys.stderr)
        return FAILED
    return code or 0


def _misuse(error: Any) -> str:
    """Return Typer's complaint with the way to the help; nothing where it showed the help."""
    told = str(error.format_message()).rstrip(".")
    verb = error.ctx.command_path if error.ctx else "mmbench"
    return told and f"{told}: see `{verb} --help`"


def _refuse(message: str) -> int:
    line = " ".join(message.splitlines())  # a name given by a person may hold line breaks
    if line:
        print(f"mmbench: {line}", file=sys.stderr)
    return WRONG_USAGE
