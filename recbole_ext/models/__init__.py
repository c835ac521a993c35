"""The recommenders by name, imported on first use."""

from importlib import import_module
from typing import Any

TABLE = {
    "VBPR": "recbole_ext.models.vbpr:VBPR",
    "BPR": "recbole_ext.models.bpr:BPR",
    "LightGCN": "recbole_ext.models.lightgcn:LightGCN",
    "ItemKNN": "recbole.model.general_recommender.itemknn:ItemKNN",
    "Pop": "recbole.model.general_recommender.pop:Pop",
}


def resolve(name: str) -> Any:
    """Return the recommender class of a name in `TABLE`; KeyError where there is none."""
    module, attribute = TABLE[name].split(":")
    return getattr(import_module(module), attribute)


def __getattr__(name: str) -> Any:
    if name in TABLE:
        return resolve(name)
    raise AttributeError(f"recbole_ext.models has no recommender '{name}': {sorted(TABLE)}")
