"""The leaderboard: records → cells → tables → text.

sources       what lies in the folders that were named: records, and what is none
cell          a trial with its seeds; what a cell of a table stands for
costs         what a cell cost, in seconds, megabytes, parameters and watt-hours
layout        what a person chose: rows, columns, metrics
groups        which cells may share a table
labels        what stands in the heads of rows and columns
table         a pivoted table as a value, for any renderer
outcome       which cells differ from a baseline, as a value
significance  which do: tests over users
ranks         best and second among what is compared
pivot         cells → table
figures, markdown, latex, lines    table → text
leaderboard   the verb
"""
