"""The questions of a study, each a module that answers it from records.

answer    what a question gives: a sentence, a table, what is missing
study     records → cases: what may be compared with what
origins   which dataset folders were made of the same data
matching  which cases differ in one thing only
user_values   each case's values over users, read once
pairs     two cases, how they differ, tested over users
verdict   the sentence of a question of pairs
lacking   which records would answer it, and the command line that makes them
report    the verb
"""

from mmbench.registry import Registry

QUESTIONS = Registry(
    "question",
    {
        "multi-modal": "mmbench.questions.multi_modal:answer",
        "fine-tuned": "mmbench.questions.fine_tuned:answer",
        "end-to-end": "mmbench.questions.end_to_end:answer",
        "dual-unified": "mmbench.questions.dual_unified:answer",
        "modality-alone": "mmbench.questions.modality_alone:answer",
        "content-gain": "mmbench.questions.content_gain:answer",
        "id-only": "mmbench.questions.id_only:answer",
        "rank-correlation": "mmbench.questions.rank_correlation:answer",
        "test-selection": "mmbench.questions.test_selection:answer",
        "quality-cost": "mmbench.questions.quality_cost:answer",
    },
)
