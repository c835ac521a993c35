"""Records of a small study, written without training anything: known answers by construction."""

import json

from board_records import add

BOTH = ["image", "text"]


def content(**told):
    """What a record says of an encoder of content."""
    return {"weights": "pretrained", "modalities": BOTH, "control": False, **told}


def control(of=None):
    """What a record says of a control."""
    return {"weights": "none", "modalities": BOTH, "control": True, "of": of}


def bare():
    """What a record says where no features are read."""
    return {"weights": "none", "modalities": [], "control": True}


def put(folder, model, encoder, values, told=None, seeds=(1, 2), valid=None, vectors=True, **more):
    """Write a record a seed: each user has the same value in all of them.

    values: of users, or one number for all tables that need none. valid: of validation.
    """
    users = values if isinstance(values, list) else [values] * 4
    mean = sum(users) / len(users)
    for seed in seeds:
        per_user = users if vectors else None
        path = add(folder, model, encoder, seed, mean, per_user, told=told or content(), **more)
        record = json.loads(path.read_text())
        record["metrics"]["valid"] = {"recall@20": mean if valid is None else valid}
        path.write_text(json.dumps(record))
    return path


def answer(made, question):
    """Return one answer of a report."""
    (found,) = [one for one in made.answers if one.question == question]
    return found
