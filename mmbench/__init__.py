"""mmbench: does this multi-modal encoder make that recommender better on this data?

    raw dump → dataset → encoder → features → RecBole dataset → recommender → trial → record
    → leaderboard

prepare(source)            a dataset folder: items with picture and text, interactions, a split
encode(dataset, encoder)   features: ids, a matrix and a mask a modality
finetune(encoder, dataset) an encoder adapted to the catalogue, by its name
show_dataset(name)         what is in it, in figures, and a page with some of its items
show_features(dataset)     their figures, and a contact sheet of nearest neighbours
run(model, encoder, ...)   one trial: trained, selected on validation, ranked on test, a record
sweep(benchmark)           a grid of trials: searched, seeded, recorded, through Ray
leaderboard(results)       tables of records: Markdown, LaTeX, CSV, JSON, a data frame
leaderboard_page(board)    one page of HTML: tables, figures, records, a gallery of pictures
publish(folder)            records of a benchmark, validated, and their tables, beside its YAML
report(results)            a study's questions, answered from records
compare(a, b), compare_family(a, [b, c])  paired tests, intervals, effect sizes over users

Nothing heavy is imported until one of these is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmbench.board.leaderboard import leaderboard
    from mmbench.board_page.page import page as leaderboard_page
    from mmbench.checkup import check
    from mmbench.comparison import compare, compare_family
    from mmbench.dataset_report.report import show_dataset
    from mmbench.datasets.prepare import prepare
    from mmbench.extract import encode
    from mmbench.feature_report.report import features as show_features
    from mmbench.finetuning.finetune import finetune
    from mmbench.inventory import list_, show
    from mmbench.publication.check import check_published
    from mmbench.publication.publish import publish
    from mmbench.questions.report import report
    from mmbench.sweeps.verb import sweep
    from mmbench.trial import run

__all__ = [
    "check",
    "check_published",
    "compare",
    "compare_family",
    "encode",
    "finetune",
    "leaderboard",
    "leaderboard_page",
    "list_",
    "prepare",
    "publish",
    "report",
    "run",
    "show",
    "show_dataset",
    "show_features",
    "sweep",
]
__version__ = "0.1.0"

_VERBS = {
    "check": "mmbench.checkup:check",
    "check_published": "mmbench.publication.check:check_published",
    "compare": "mmbench.comparison:compare",
    "compare_family": "mmbench.comparison:compare_family",
    "encode": "mmbench.extract:encode",
    "finetune": "mmbench.finetuning.finetune:finetune",
    "leaderboard": "mmbench.board.leaderboard:leaderboard",
    "leaderboard_page": "mmbench.board_page.page:page",
    "list": "mmbench.inventory:list_",
    "list_": "mmbench.inventory:list_",
    "prepare": "mmbench.datasets.prepare:prepare",
    "publish": "mmbench.publication.publish:publish",
    "report": "mmbench.questions.report:report",
    "run": "mmbench.trial:run",
    "show": "mmbench.inventory:show",
    "show_dataset": "mmbench.dataset_report.report:show_dataset",
    "show_features": "mmbench.feature_report.report:features",
    "sweep": "mmbench.sweeps.verb:sweep",
}


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        module, function = _VERBS[name].split(":")
        return getattr(import_module(module), function)
    raise AttributeError(f"module 'mmbench' has no attribute '{name}'")
