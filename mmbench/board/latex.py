r"""A table as LaTeX: for `\input` into a document that loads `booktabs`.

Written by hand, because tabulate either escapes the commands for bold and underlined too, or
draws no booktabs rules, and has no heads over several columns.
"""

from collections.abc import Iterable
from itertools import groupby

from mmbench.board.figures import figure
from mmbench.board.table import BEST, SECOND, Column, Entry, Measure, Table

PREAMBLE = """% needs \\usepackage{booktabs,graphicx} and \\usepackage[T1]{fontenc};
% names in other than Latin script need XeLaTeX or LuaLaTeX
"""
# As wide as it is, and no wider than the page.
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
_WRITTEN = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "–": r"\textendash{}",
}


def latex(table: Table) -> str:
    """Return a `table` environment with caption, rules and legend."""
    n_labels = len(table.heads)
    lines = [
        r"\begin{table}[t]",
        r"\centering\small",
        rf"\caption{{{escaped(table.title)}}}",
        FIT,
        rf"\begin{{tabular}}{{{'l' * n_labels}{'r' * len(table.columns)}}}",
        r"\toprule",
        *_heads(table),
        r"\midrule",
        *(_line(_row(row.labels, row.entries, table.columns)) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}}",
    ]
    if table.legend:
        legend = "; ".join(map(escaped, table.legend))
        lines.append(rf"\par\smallskip\begin{{minipage}}{{\linewidth}}\footnotesize {legend}")
        lines.append(r"\end{minipage}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def left_out(lines: Iterable[str]) -> str:
    """Return what is in no table as comments."""
    return "".join(f"% left out: {' '.join(line.split())}\n" for line in lines)


def escaped(text: str) -> str:
    """Return a text that LaTeX prints as it stands, in one line."""
    shown = (each for each in " ".join(text.split()) if each.isprintable())
    line = "".join(_WRITTEN.get(each, each) for each in shown)
    return line.replace("--", "-{}-").replace("--", "-{}-")  # two in a row would become a dash


def _heads(table: Table) -> list[str]:
    """Return one line of heads, or two: measures, and the labels below each."""
    heads = [escaped(head) for head in table.heads]
    if not table.nouns:
        return [_line([*heads, *(escaped(column.measure.head) for column in table.columns)])]
    labels = _line([*heads, *(escaped(" · ".join(column.labels)) for column in table.columns)])
    if len(table.measures) == 1:
        return [labels]
    upper, rules, place = [""] * len(heads), "", len(heads) + 1
    for measure, columns in groupby(table.columns, lambda column: column.measure):
        width = len(list(columns))
        upper.append(rf"\multicolumn{{{width}}}{{c}}{{{escaped(measure.head)}}}")
        rules += rf"\cmidrule(lr){{{place}-{place + width - 1}}}"
        place += width
    return [_line(upper), rules, labels]


def _row(labels: Iterable[str], entries: Iterable[Entry], columns: Iterable[Column]) -> list[str]:
    told = zip(columns, entries, strict=True)
    return [*map(escaped, labels), *(_entry(entry, column.measure) for column, entry in told)]


def _entry(entry: Entry, measure: Measure) -> str:
    if entry.value is None:
        return escaped(entry.word)
    text = figure(entry.value, measure)
    commands = {BEST: rf"\textbf{{{text}}}", SECOND: rf"\underline{{{text}}}"}
    text = commands.get(entry.rank, text)
    if entry.deviation is not None:
        text += rf" $\pm$ {figure(entry.deviation, measure)}"
    return " ".join([text, *map(escaped, entry.marks)])


def _line(parts: Iterable[str]) -> str:
    return " & ".join(parts) + r" \\"
