"""The options that verbs of the command line share, each told once."""

from pathlib import Path
from typing import Annotated

import typer

LAST_SEED = 2**32 - 1

NounArgument = Annotated[
    str | None, typer.Argument(help="datasets, encoders, recommenders or protocols")
]
ShownArgument = Annotated[
    str, typer.Argument(help="a RECORD.json, any name that `list` gives, or: features, dataset")
]
OfArgument = Annotated[
    list[str] | None,
    typer.Argument(help="of features: DATASET [ENCODER], or a feature folder; of dataset: NAME"),
]

HomeOption = Annotated[  # a text: Path("") would be the working directory
    str | None, typer.Option("--home", help="where everything is written (./mmbench-home)")
]
ResultsArgument = Annotated[
    list[Path] | None, typer.Argument(help="folders of records, or records (the home's)")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="the file to write; it is printed, if left out")
]
ModelOption = Annotated[str | None, typer.Option(help="the recommender (VBPR)")]
EncoderOption = Annotated[str | None, typer.Option(help="the encoder (efficientnet+minilm)")]
DatasetOption = Annotated[str | None, typer.Option(help="the dataset (toyshop)")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE of a hyper-parameter; repeatable")
]
SeedOption = Annotated[
    int | None, typer.Option(min=0, max=LAST_SEED, help="one seed by its number")
]
FromOption = Annotated[Path | None, typer.Option("--from", help="a RECORD.json to repeat")]
ForceOption = Annotated[bool, typer.Option("--force", help="run even if the record is there")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON on standard output, only")]

ProtocolOption = Annotated[str | None, typer.Option(help="the protocol (the dataset's)")]
ParadigmOption = Annotated[
    str | None, typer.Option(help="how the encoder is trained: frozen (usual), finetuned, end2end")
]
AdapterOption = Annotated[
    str | None,
    typer.Option(
        help="end2end: what trains of the encoder: none (all of its own, usual), lora, multiway or "
        "linear; with options as in lora:rank=16,alpha=32"
    ),
]
LayersOption = Annotated[
    int | None, typer.Option(min=1, help="end2end: train so many blocks from the top")
]
ConfigOption = Annotated[Path | None, typer.Option(help="a YAML of these options")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="go on with a stopped training")]

MissingOption = Annotated[
    str | None,
    typer.Option(
        help="items without a modality: mask, zeros, mean, neighbour-mean, propagate or drop-items "
        "(the protocol's)"
    ),
]
InjectOption = Annotated[
    str | None,
    typer.Option("--inject-missing", help="hide it from a share of items: image:0.3,text:0.1"),
]
InjectSeedOption = Annotated[
    int | None,
    typer.Option("--inject-seed", min=0, max=LAST_SEED, help="which items these are (0)"),
]

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
BatchOption = Annotated[
    str, typer.Option("--batch-size", help="items the encoder takes at once, or auto")
]
WorkersOption = Annotated[
    int | None, typer.Option(min=0, help="processes that decode pictures (one a core)")
]

MemoryOption = Annotated[
    int | None, typer.Option("--eval-memory", min=1, help="megabytes of scores held at once (256)")
]
RandomOption = Annotated[
    bool, typer.Option("--random-weights", help="use random weights, and mark the record")
]
WeightsOption = Annotated[
    str | None, typer.Option("--weights", help="a file or folder of the encoder's weights")
]
FuseOption = Annotated[
    str | None, typer.Option("--fuse", help="one matrix of all: concat, mean, sum or pca:N")
]
LongTextsOption = Annotated[
    str | None,
    typer.Option("--long-texts", help="truncate (usual), mean-of-chunks or lead+keywords"),
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", help="the encoder computes in float32 (usual) or bf16")
]
DtypeOption = Annotated[
    str | None, typer.Option("--dtype", help="vectors are kept in float32 (usual) or float16")
]
