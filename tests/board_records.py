"""Records as a leaderboard finds them, written without training anything."""

import numpy as np

from mmbench.records import Record

ENCODER = {"control": False, "weights": "pretrained", "of": None, "modalities": ["image"]}
CONTROL = {"control": True, "weights": "none"}
KEYS = ("command", "commit", "ended", "energy_wh", "epochs", "error", "memory", "parameters")
KEYS += ("search", "seconds")


def add(folder, model, encoder, seed, recall, per_user=None, **changed):
    """Write one record; `changed` are other values: of the trial, the prints, the encoder."""
    print_ = changed.get("print_", f"{model}{encoder}")
    ok = changed.get("status", "ok") == "ok"
    test = changed.get("metrics", {"recall@20": recall, "ndcg@20": recall / 2})
    values = {
        "schema": 1,
        "status": changed.get("status", "ok"),
        "trial": {
            "dataset": changed.get("dataset", "shop"),
            "protocol": changed.get("protocol", "random"),
            "model": model,
            "encoder": encoder,
            "paradigm": changed.get("paradigm", "frozen"),
            "seed": seed,
            **changed.get("trial", {}),
        },
        "fingerprints": {
            "dataset": changed.get("version", "d1"),
            "trial": print_,
            "protocol": changed.get("rule", "p1"),
        },
        "encoder": ENCODER | changed.get("told", {}),
        "metrics": {"test": test} if ok else None,
        **{key: changed[key] for key in KEYS if key in changed},
    }
    version = f"{changed.get('dataset', '')}{changed.get('version', '')}"
    name = f"{model}-{encoder}-{print_}-{version}-s{seed}"
    path = folder / f"{name.replace(':', '-').replace('/', '-')}.json"
    arrays = None
    if per_user is not None:
        users = [f"u{place}" for place in range(len(per_user))]
        arrays = {"users": np.array(users), "recall@20": np.array(per_user, float)}
    Record(path, values).write(arrays)
    return path
