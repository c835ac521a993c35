"""What can be said of features before anything is trained on them.

neighbours   nearest neighbours by cosine, exact, in blocks
modality     the numbers of one modality: norms, repetitions, isotropy, hubness
pair         the numbers of two: alignment, retrieval, gap, common neighbours
attributes   how often neighbours share a true attribute, where the dataset knows them
verdicts     the few lines of warning, and the thresholds behind them

Memory is linear in the number of items. What costs their square is measured on a sample, which
is the whole catalogue up to `sample.SIZE` items.
"""
