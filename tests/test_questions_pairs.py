"""Questions of pairs: known differences, tests over users, what is compared with what."""

import numpy as np
import pytest
from scipy.stats import ttest_rel
from study_records import answer, bare, content, control, put

import mmbench
from mmbench.comparison import compare_family
from mmbench.encoder_spec import encoder_spec
from mmbench.specs import names

RANDOM = np.random.default_rng(0)
LOW = RANDOM.random(60).round(3).tolist()
HIGH = [value + 0.1 + 0.01 * (place % 3) for place, value in enumerate(LOW)]
NEAR = [value + (0.1 if place % 2 else -0.1) for place, value in enumerate(LOW)]  # the same mean


def ask(folder, question, **options):
    return answer(mmbench.report(folder, questions=[question], **options), question)


def test_content_gain_counts_better_worse_and_undecided(tmp_path):
    for model, real, other in (("VBPR", HIGH, LOW), ("BM3", LOW, HIGH), ("GRCN", NEAR, LOW)):
        put(tmp_path, model, "classic", real)
        put(tmp_path, model, "permuted:classic", other, control("classic"))
    put(tmp_path, "VBPR", "noise", LOW, control())
    told = ask(tmp_path, "content-gain")
    assert "rows on other items: better in 1, worse in 1, undecided in 1 of 3 pairs" in told.verdict
    assert "noise: better in 1, worse in 0, undecided in 0 of 1 pair" in told.verdict
    assert "paired t-tests over users" in told.verdict
    assert "over 4 pairs" in told.verdict
    assert {row["model"]: row["outcome"] for row in told.rows if row["group"] == "shuffled"} == {
        "VBPR": "better",
        "BM3": "worse",
        "GRCN": "undecided",
    }
    assert any("no rows of noise beside 2 systems" in note for note in told.notes)
    assert any("--model BM3,GRCN --encoder noise" in note for note in told.notes)


def test_a_pair_says_what_compare_says(tmp_path):
    one = put(tmp_path, "VBPR", "classic", HIGH, seeds=[1])
    other = put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"), seeds=[1])
    (row,) = ask(tmp_path, "content-gain").rows
    (compared,) = compare_family(other, [one])
    assert row["difference"] == pytest.approx(compared.difference)
    assert (row["low"], row["high"]) == pytest.approx(compared.interval)
    assert row["d_z"] == pytest.approx(compared.d_z)
    assert row["p"] == pytest.approx(ttest_rel(HIGH, LOW).pvalue)
    assert row["relative"] == pytest.approx(np.mean(HIGH) / np.mean(LOW) - 1)


def test_holm_counts_all_pairs_of_the_question(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH)
    put(tmp_path, "VBPR", "permuted:classic", NEAR, control("classic"))
    for place in range(3):
        put(tmp_path, f"M{place}", "classic", LOW)
        put(tmp_path, f"M{place}", "permuted:classic", LOW, control("classic"))
    row = next(row for row in ask(tmp_path, "content-gain").rows if row["model"] == "VBPR")
    assert row["p_holm"] == pytest.approx(4 * row["p"])


def test_users_are_averaged_over_their_seeds_first(tmp_path):
    """Two opposite seeds leave nothing to tell, however many users there are."""
    put(tmp_path, "VBPR", "classic", HIGH, seeds=[1])
    put(
        tmp_path,
        "VBPR",
        "classic",
        [2 * low - high for low, high in zip(LOW, HIGH, strict=True)],
        seeds=[2],
    )
    put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"))
    (row,) = ask(tmp_path, "content-gain").rows
    assert row["difference"] == pytest.approx(0, abs=1e-12)
    assert row["outcome"] == "undecided"


@pytest.mark.parametrize(
    "apart",
    [
        {"dataset": "other", "version": "d2"},
        {"version": "d2"},
        {"protocol": "global-time", "rule": "p2"},
        {"rule": "p2"},
        {"trial": {"missing": "zeros"}},
    ],
    ids=["dataset", "version", "protocol", "protocol of one name", "setting"],
)
def test_what_must_not_be_pooled_is_no_pair(tmp_path, apart):
    put(tmp_path, "VBPR", "classic", HIGH)
    put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"), print_="p", **apart)
    told = ask(tmp_path, "content-gain")
    assert told.rows == ()
    assert told.verdict.startswith("These records do not answer it")


def test_another_recommender_is_no_pair(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH)
    put(tmp_path, "BM3", "permuted:classic", LOW, control("classic"))
    assert ask(tmp_path, "content-gain").rows == ()


def test_permuted_rows_of_another_encoder_are_no_control(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH)
    put(tmp_path, "VBPR", "permuted:clip", LOW, control("clip"))
    assert ask(tmp_path, "content-gain").rows == ()


def test_without_vectors_there_is_a_difference_and_no_test(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH, vectors=False)
    put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"))
    told = ask(tmp_path, "content-gain")
    (row,) = told.rows
    assert row["outcome"] == "untested"
    assert row["p"] is None
    assert row["difference"] == pytest.approx(np.mean(HIGH) - np.mean(LOW))
    assert "1 pair without a test (higher in 1, lower in 0)" in told.verdict
    assert "t-test" not in told.verdict
    assert any("1 pair without a test" in note and "not beside it" in note for note in told.notes)


def test_users_that_both_have_are_compared(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH)
    put(tmp_path, "VBPR", "permuted:classic", LOW[:40], control("classic"))
    told = ask(tmp_path, "content-gain")
    (row,) = told.rows
    assert row["users"] == 40
    assert row["difference"] == pytest.approx(np.mean(HIGH[:40]) - np.mean(LOW[:40]))
    assert any("over the users that both records hold" in note for note in told.notes)


def test_multi_modal_encoders_and_pairs_are_known_by_their_yaml(tmp_path):
    put(tmp_path, "VBPR", "clip", HIGH)
    put(tmp_path, "VBPR", "efficientnet+minilm", LOW)
    put(tmp_path, "VBPR", "cnn:resnet50+st:mpnet", NEAR)
    put(tmp_path, "VBPR", "beit3", HIGH, content(weights="random"))
    put(tmp_path, "VBPR", "classic", LOW, content(weights="none"))
    put(tmp_path, "VBPR", "hf:some/model", HIGH)
    put(tmp_path, "VBPR", "file:a.npz", HIGH, content(weights="none"))
    told = ask(tmp_path, "multi-modal")
    assert {(row["system"], row["baseline"]) for row in told.rows} == {
        ("clip", "efficientnet+minilm"),
        ("clip", "cnn:resnet50+st:mpnet"),
    }
    notes = "\n".join(told.notes)
    assert "random weights, no pre-trained encoder, left out: beit3" in notes
    assert "without weights, left out: classic" in notes
    assert "of unknown kind and left out: file:a.npz, hf:some/model" in notes


def test_dual_against_unified(tmp_path):
    put(tmp_path, "VBPR", "clip", HIGH)
    put(tmp_path, "VBPR", "vlmo", LOW)
    put(tmp_path, "VBPR", "vlmo:joint", LOW, content(modalities=["joint"]))
    told = ask(tmp_path, "dual-unified")
    assert "better in 2, worse in 0, undecided in 0 of 2 pairs" in told.verdict
    lacking = ask(put(tmp_path, "VBPR", "clip", HIGH), "dual-unified")
    assert "no pre-trained unified encoder" in lacking.verdict
    assert any("mmbench sweep --model VBPR --encoder clip,beit3" in n for n in lacking.notes)


def test_fine_tuned_against_its_own_base(tmp_path):
    tuned = content(weights="finetuned", finetuned={"encoder": "clip"})
    put(tmp_path, "VBPR", "clip", LOW)
    put(tmp_path, "VBPR", "siglip", LOW)
    put(tmp_path, "VBPR", "clip@finetuned:0123456789ab", HIGH, tuned, paradigm="finetuned")
    told = ask(tmp_path, "fine-tuned")
    assert [(row["system"], row["baseline"]) for row in told.rows] == [
        ("clip@finetuned:0123456789ab", "clip")
    ]
    assert "pre-trained encoders: better in 1" in told.verdict


def test_what_began_with_random_weights_is_counted_apart(tmp_path):
    start = {"weights": "finetuned", "finetuned": {"encoder": "clip", "base_weights": "random"}}
    name = "clip@finetuned:0123456789ab"
    put(tmp_path, "VBPR", "clip", LOW, content(weights="random"))
    put(tmp_path, "VBPR", name, HIGH, content(**start), paradigm="finetuned")
    told = ask(tmp_path, "fine-tuned")
    assert "encoders from random weights: better in 1" in told.verdict
    assert "pre-trained" not in told.verdict
    assert "fine-tuned from random weights" in told.rows[0]["system"]


def test_end_to_end_against_frozen_by_adapter(tmp_path):
    put(tmp_path, "VBPR", "clip", LOW)
    for adapter, values in (("lora", HIGH), ("linear", NEAR)):
        trial = {"adapter": adapter}
        put(tmp_path, "VBPR", "clip", values, paradigm="end2end", trial=trial, print_=adapter)
    told = ask(tmp_path, "end-to-end")
    assert {row["system"]: row["outcome"] for row in told.rows} == {
        "clip (end2end, adapter: lora)": "better",
        "clip (end2end, adapter: linear)": "undecided",
    }


def test_a_modality_alone_against_the_encoder_that_holds_it(tmp_path):
    put(tmp_path, "VBPR", "cnn:resnet50+st:mpnet", HIGH)
    put(tmp_path, "VBPR", "cnn:resnet50", LOW, content(modalities=["image"]))
    put(tmp_path, "VBPR", "cnn:other", LOW, content(modalities=["image"]))
    put(tmp_path, "VBPR", "st:mpnet", HIGH, content(modalities=["text"]))
    told = ask(tmp_path, "modality-alone")
    assert {(row["system"], row["group"]): row["outcome"] for row in told.rows} == {
        ("cnn:resnet50", "image"): "worse",
        ("st:mpnet", "text"): "undecided",
    }
    assert "Image alone against all modalities: better in 0, worse in 1" in told.verdict


def test_the_id_only_model_is_chosen_on_validation(tmp_path):
    put(tmp_path, "VBPR", "classic", HIGH)
    put(tmp_path, "BPR", "id", LOW, bare(), valid=0.9)
    put(tmp_path, "LightGCN", "id", [value + 1 for value in HIGH], bare(), valid=0.8)
    told = ask(tmp_path, "id-only")
    (row,) = told.rows
    assert (row["baseline_model"], row["outcome"]) == ("BPR", "better")
    assert "shop · random: the ID-only model is BPR id" in told.notes


def test_the_best_point_on_validation_stands_for_a_cell(tmp_path):
    put(tmp_path, "VBPR", "classic", LOW, print_="a", valid=0.3)
    put(tmp_path, "VBPR", "classic", HIGH, print_="b", valid=0.2)
    put(tmp_path, "VBPR", "classic", HIGH, print_="c", valid=0.9, seeds=[1])  # one seed only
    put(tmp_path, "VBPR", "permuted:classic", LOW, control("classic"), search={"trials": 4})
    told = ask(tmp_path, "content-gain")
    (row,) = told.rows
    assert row["value"] == pytest.approx(np.mean(LOW))
    notes = "\n".join(told.notes)
    assert "several points of 1 system" in notes
    assert "unlike budgets of search" in notes


def test_every_named_encoder_says_its_kind():
    free = {"hf", "file", "provided"}  # of whatever a person names
    unknown = {name for name in names("encoders") if _kind(name) == "unknown"}
    assert unknown == free
    assert encoder_spec("cnn:a+st:b").kind == "pair"
    assert encoder_spec("permuted:clip").kind == "shuffled"
    assert encoder_spec("vlmo:joint").kind == "unified"


def _kind(name):
    from mmbench.encoder_spec import encoder_yaml

    return encoder_yaml(name).kind
