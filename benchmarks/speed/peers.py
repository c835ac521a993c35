"""The peers as their authors left them: RecBole 1.2.1 and Cornac, each with its own everything.

RecBole runs with its own configuration, dataset, loaders, Python sampler, trainer and evaluator.
Of its traps only those are mended without which it does not start: names that NumPy and SciPy have
removed, and the command line, which it would take for its own. Cornac needs no mending.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.speed.data import read
from benchmarks.speed.turns import CUTOFFS, AbsentError, Job

ENDLESS = 10**6  # epochs: the clock stops the process
METRICS = ["Recall", "Precision", "NDCG", "MAP", "MRR", "Hit"]


def _recbole(job: Job, epochs: int) -> tuple[Any, Any]:
    """Return RecBole's trainer and its three loaders."""
    from recbole_ext.aliases import restore_aliases

    restore_aliases()
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_seed

    class Startable(Config):  # type: ignore[misc]  # RecBole carries no types
        def compatibility_settings(self) -> None:
            restore_aliases()

        def _load_cmd_line(self) -> dict[str, Any]:
            return {}

    settings = {
        "data_path": str(job.folder.parent),
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "use_gpu": job.device != "cpu",
        "seed": job.seed,
        "epochs": epochs,
        "train_batch_size": job.batch,
        "embedding_size": job.dim,
        "n_layers": job.layers,
        "metrics": METRICS,
        "topk": list(CUTOFFS),
        "valid_metric": "Recall@20",
        "show_progress": False,
        **dict(job.options),
    }
    config = Startable(model=job.model, dataset=job.folder.name, config_dict=settings)
    # Looking a model up imports RecBole's SINE, which switches on autograd's anomaly detection.
    torch.autograd.set_detect_anomaly(False)
    init_seed(config["seed"], config["reproducibility"])
    loaders = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, loaders[0]._dataset).to(config["device"])
    return get_trainer(config["MODEL_TYPE"], config["model"])(config, model), loaders


def recbole_train(job: Job, tick: Callable[[], None]) -> None:
    """Train for ever, with RecBole's `Trainer.fit`."""
    trainer, loaders = _recbole(job, ENDLESS)
    epoch = trainer._train_epoch

    def timed(*args: Any, **words: Any) -> Any:
        loss = epoch(*args, **words)
        tick()
        return loss

    trainer._train_epoch = timed
    tick()
    trainer.fit(loaders[0], saved=False, verbose=False)


def recbole_rank(job: Job, tick: Callable[[], None]) -> None:
    """Train one epoch, then rank the test part for ever."""
    trainer, loaders = _recbole(job, 1)
    trainer.fit(loaders[0], saved=False, verbose=False)
    tick()
    while True:
        trainer.evaluate(loaders[2], load_best_model=False)
        tick()


def _cornac(job: Job, features: bool = False) -> Any:
    """Return the training part as Cornac's Dataset."""
    try:
        from cornac.data import Dataset, ImageModality
    except ImportError:
        raise AbsentError("not installed (pip install -e '.[bench]')") from None
    read_data = read(job.folder, job.size, features)
    uir = [(user, item, 1.0) for user, item in read_data.train.tolist()]
    part = Dataset.from_uir(uir)
    if features:
        matrix = np.concatenate(read_data.features, axis=1)
        order = np.array(list(part.iid_map))  # Cornac numbers items by first appearance
        part.add_modalities(item_image=ImageModality(features=matrix[order]))
    return part


def _cornac_model(job: Job, tick: Callable[[], None]) -> Any:
    from cornac import models

    rate = {"learning_rate": 0.001}
    if job.model == "VBPR":
        size = {"k": job.dim, "k2": job.dim, "batch_size": job.batch}
        return models.VBPR(n_epochs=ENDLESS, verbose=False, **size, **rate)
    if job.model != "BPR":
        raise AbsentError("needs DGL")

    class Timed(models.BPR):  # type: ignore[misc]  # Cornac carries no types
        def _fit_sgd(self, *args: Any) -> Any:
            counts = super()._fit_sgd(*args)
            tick()
            return counts

    return Timed(k=job.dim, max_iter=ENDLESS, **rate)


def cornac_train(job: Job, tick: Callable[[], None]) -> None:
    """Train for ever. BPR is SGD over single pairs on all cores: it has no batch."""
    part = _cornac(job, features=job.model == "VBPR")
    model = _cornac_model(job, tick)
    if job.model == "VBPR":
        batches = part.uij_iter

        def timed(*args: Any, **words: Any) -> Iterator[Any]:
            yield from batches(*args, **words)
            tick()

        part.uij_iter = timed
    tick()
    model.fit(part)


def cornac_rank(job: Job, tick: Callable[[], None]) -> None:
    """Train one epoch, then rank the test part for ever (Recall and NDCG at 20 only)."""
    train = _cornac(job)
    from cornac.data import Dataset
    from cornac.eval_methods import ranking_eval
    from cornac.metrics import NDCG, Recall
    from cornac.models import BPR

    pairs = [(user, item, 1.0) for user, item in read(job.folder, job.size).test.tolist()]
    test = Dataset.build(pairs, global_uid_map=train.uid_map, global_iid_map=train.iid_map)
    model = BPR(k=job.dim, max_iter=1).fit(train)
    tick()
    while True:
        ranking_eval(model, [Recall(k=20), NDCG(k=20)], train, test)
        tick()
