"""Publishing: the records of one benchmark, validated, and the tables that they make.

portable    a record without the paths of the machine that made it
soundness   what is wrong with the keys of a record
search      what is wrong with the search that chose its hyper-parameters
vectors     what is wrong with its per-user metrics, and their sum
cell        the records that belong to a cell of the benchmark
collection  what is wrong among records that each are sound
lines       records.jsonl
gaps        the cells without a record, or with too few
tables      leaderboard.md, of records.jsonl and the benchmark
refusal     all that is wrong, told at once
check       the verb, reading only
publish     the verb
"""
