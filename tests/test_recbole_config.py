"""Each trap of RecBole's Config, closed."""

import os
import sys

import numpy as np
import pytest
import torch
import yaml
from scipy.sparse import dok_matrix

from recbole_ext.aliases import restore_aliases
from recbole_ext.config import Config, literal
from recbole_ext.defaults import defaults
from recbole_ext.models import TABLE


def config(model="BPR", **settings):
    return Config(model, "board", config_dict={"device": "cpu", **settings})


def test_argv_is_not_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["worker", "--learning_rate=0.5", "--node-ip=1"])
    assert config()["learning_rate"] == 0.001


def test_a_string_of_code_stays_a_string(tmp_path):
    code = f"__import__('os').mkdir('{tmp_path / 'ran'}')"
    file = tmp_path / "settings.yaml"
    file.write_text(f'from_file: "{code}"\n')
    made = Config("BPR", "board", [str(file)], {"device": "cpu", "from_dict": code})
    assert made["from_dict"] == made["from_file"] == code
    assert not (tmp_path / "ran").exists()


def test_a_yaml_that_builds_objects_is_refused(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("x: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(yaml.YAMLError):
        Config("BPR", "board", [str(file)], {"device": "cpu"})


@pytest.mark.parametrize(
    ("text", "value"),
    [("[1, 2]", [1, 2]), ("True", True), ("false", False), ("0.5", 0.5), ("a", "a")],
)
def test_literals_are_still_read(text, value):
    assert literal(text) == value


@pytest.mark.parametrize("visible", ["3", None])
def test_the_visible_gpus_are_left_alone(monkeypatch, visible):
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    config(device="auto")
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible


def test_the_shared_yaml_loader_is_left_alone():
    before = {key: list(rules) for key, rules in yaml.FullLoader.yaml_implicit_resolvers.items()}
    config()
    assert yaml.FullLoader.yaml_implicit_resolvers == before


def test_recboles_shared_lists_are_left_alone(tmp_path):
    from recbole.utils import dataset_arguments

    before = list(dataset_arguments)
    Config("BPR", "ml-100k", config_dict={"device": "cpu"})
    assert dataset_arguments == before


def test_names_that_exist_are_not_replaced():
    before = np.bool, dok_matrix._update
    restore_aliases()
    assert (np.bool, dok_matrix._update) == before


def test_the_removed_names_are_there():
    restore_aliases()
    assert np.zeros(1, np.float).dtype == np.float64
    matrix = dok_matrix((2, 2))
    matrix._update({(0, 1): 3.0})
    assert matrix[0, 1] == 3


@pytest.mark.parametrize("model", TABLE)
def test_every_model_is_found_by_name_with_its_defaults(model):
    made = config(model)
    assert made.model_class.__name__ == model
    assert {key: made[key] for key in defaults(model)} == defaults(model)


def test_numbers_without_a_dot_are_numbers():
    assert defaults("LightGCN")["reg_weight"] == 1e-05


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="VBRP"):
        config("VBRP")


def test_autograd_is_not_slowed_for_good():
    config("SINE", MAX_ITEM_LIST_LENGTH=5)  # its module turns anomaly detection on
    assert not torch.is_anomaly_enabled()
