r"""Tables as LaTeX: booktabs rules, aligned decimals, threeparttable notes.

What comes out is plain ASCII, whatever the user's names are (:mod:`.escaping`), needs
no package beyond those of a small TeX, and depends on nothing but the table. pandoc reads the
same tables: columns are ``l``, ``c``, ``r`` and ``p{…}``, decimals are in line because what a
number lacks stands beside it as a ``\phantom``, and what pandoc would take for text it is not
shown (:func:`_unseen_by_pandoc`).
"""

from __future__ import annotations

__all__ = ["latex_document", "latex_table"]

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .decimals import Decimals
from .escaping import escape
from .table import Cell, Column, Panel, Row, Table

_HEADINGS = {"methods.tex": "Statistical analysis", "results.tex": "Results"}
PACKAGES = ("booktabs", "threeparttable")


def latex_table(table: Table, *, provenance: Sequence[str] = (), max_rows: int = 24) -> str:
    r"""A table as one or more ``table`` floats.

    Parameters
    ----------
    table : Table
    provenance : sequence of str
        Lines for the comment at the top: where the numbers come from.
    max_rows : int
        Rows of one float. A longer table goes on in the next, with caption, header and
        notes again.

    Returns
    -------
    str
        LaTeX that needs the packages named in its first lines and nothing else.
    """
    loads = ["% Needs: " + " ".join(rf"\usepackage{{{name}}}" for name in PACKAGES)]
    head = [f"% {line}" for line in provenance] + loads
    parts = list(_parts(table.body, max_rows))
    floats = [
        _float(table, part, continued=number > 0, last=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
    return "\n".join([*head, *floats]) + "\n"


def latex_document(
    title: str,
    inputs: Iterable[str],
    *,
    captions: Mapping[str, str] | None = None,
    provenance: Sequence[str] = (),
) -> str:
    """A document that inputs every table and shows every figure, and compiles alone.

    Parameters
    ----------
    title : str
    inputs : iterable of str
        Paths relative to the document: ``tables/x.tex`` is input, other files are figures;
        ``methods.tex`` and ``results.tex`` bring their references.
    captions : mapping of str to str, optional
        Captions of figures, by path.
    provenance : sequence of str
        Lines for the comment at the top.
    """
    lines = [f"% {line}" for line in provenance]
    lines += [
        r"\documentclass[a4paper,10pt]{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage{lmodern,textcomp,graphicx}",
        r"\usepackage[margin=25mm]{geometry}",
        *(rf"\usepackage{{{name}}}" for name in PACKAGES),
        # Every float where there is room: a document of tables has no text to break.
        r"\renewcommand{\topfraction}{.95}\renewcommand{\floatpagefraction}{.6}",
        r"\setcounter{totalnumber}{8}\setcounter{topnumber}{8}",
        # Names and hashes in a paragraph may be long.
        r"\setlength{\emergencystretch}{4em}",
        r"\begin{document}",
        rf"\section*{{{escape(title)}}}",
    ]
    paths = list(inputs)
    for path in paths:
        if path in _HEADINGS:
            lines += [rf"\subsection*{{{_HEADINGS[path]}}}", rf"\input{{{path}}}"]
        elif path.endswith(".tex"):
            lines.append(rf"\input{{{path}}}")
        else:
            caption = (captions or {}).get(path, "")
            lines += [
                r"\begin{figure}[htbp]\centering",
                rf"\includegraphics{{{path}}}",
                *([rf"\caption{{{escape(caption, breakable=True)}}}"] if caption else []),
                r"\end{figure}",
            ]
    if _HEADINGS.keys() & set(paths):
        lines += [r"\bibliographystyle{unsrt}", r"\bibliography{references}"]
    return "\n".join([*lines, r"\end{document}"]) + "\n"


def _parts(body: Sequence[Row | Panel], max_rows: int) -> Iterator[list[Row | Panel]]:
    """Cut the body into parts of at most `max_rows` rows, the running panel repeated."""
    part: list[Row | Panel] = []
    panel: Panel | None = None
    rows = 0
    for line in body:
        if isinstance(line, Panel):
            panel = line
        else:
            if rows == max_rows:
                yield part
                part, rows = [panel] if panel is not None else [], 0
            rows += 1
        if rows == max_rows and isinstance(line, Panel):
            continue  # it opens the next part
        part.append(line)
    yield part


def _float(table: Table, body: Sequence[Row | Panel], *, continued: bool, last: bool) -> str:
    caption = escape(table.caption, breakable=True) + (" (continued)" if continued else "")
    label = "" if continued else rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]', '-', table.name)}}}"
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        r"\begin{threeparttable}",
        rf"\caption{{{caption}}}{label}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{@{{}}{''.join(_specification(table))}@{{}}}}",
        r"\toprule",
        *_header(table),
        r"\midrule",
        *_body(table, body),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if table.notes:
        lines += [
            r"\begin{tablenotes}[flushleft]\footnotesize\setlength{\labelsep}{0pt}",
            *(rf"\item {escape(note, breakable=True)}" for note in table.notes),
            r"\end{tablenotes}",
        ]
    lines += [r"\end{threeparttable}", r"\end{table}"]
    return "\n".join(lines)


def _specification(table: Table) -> Iterator[str]:
    for index, column in enumerate(table.columns):
        if column.align == "wrap":
            # About 1.8 mm a letter at this size, within bounds that leave room for numbers.
            cells = [row.cells[index] for row in table.rows]
            texts = [column.header, *(c.text for c in cells), *(c.below for c in cells)]
            most = 28 if any(c.spanner for c in table.columns) else 60
            width = column.width or min(max(1.8 * max(map(len, texts)), 15), most)
            yield rf"p{{{width:.0f}mm}}"
        else:
            yield {"left": "l", "right": "r", "center": "c", "decimal": "c", "p": "c"}[column.align]


def _header(table: Table) -> Iterator[str]:
    if spans := list(table.spans()):
        yield " & ".join(
            rf"\multicolumn{{{stop - start}}}{{c}}{{{escape(text)}}}" if text else ""
            for text, start, stop in spans
        ) + r" \\"  # fmt: skip
        yield _unseen_by_pandoc(
            "".join(rf"\cmidrule(lr){{{start + 1}-{stop}}}" for text, start, stop in spans if text)
        )
    yield " & ".join(escape(column.header) for column in table.columns) + r" \\"


def _unseen_by_pandoc(latex: str) -> str:
    r"""What TeX reads and pandoc leaves out, as it leaves out all between ``\iffalse`` and ``\fi``.

    It knows no ``\cmidrule`` and would write its argument into the next cell.
    """
    return rf"\unless\iffalse{latex}\fi"


def _body(table: Table, body: Sequence[Row | Panel]) -> Iterator[str]:
    width = len(table.columns)
    room = [Decimals.of(row.cells[index].text for row in table.rows) for index in range(width)]
    # \raggedright gives another meaning to \\.
    end = r"\tabularnewline" if table.columns[-1].align == "wrap" else r"\\"
    for line, following in zip(body, (*body[1:], None), strict=True):
        if isinstance(line, Panel):
            yield rf"\multicolumn{{{width}}}{{l}}{{\itshape {escape(line.text)}}} \\[2pt]"
            continue
        parts = list(zip(table.columns, line.cells, room, strict=True))
        below = any(cell.below for cell in line.cells)
        # Not \addlinespace, after which pandoc loses a panel.
        gap = "[6pt]" if isinstance(following, Panel) else "[2pt]" if below else ""
        yield " & ".join(_cell(*part) for part in parts) + f" {end}" + ("" if below else gap)
        if below:
            yield " & ".join(_below(column, cell) for column, cell, _ in parts) + f" {end}{gap}"


def _cell(column: Column, cell: Cell, room: Decimals) -> str:
    text = escape(cell.text, breakable=column.align == "wrap")
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    if column.align == "wrap":
        return rf"\raggedright {text}".rstrip()
    if column.align in ("decimal", "p"):
        before, after = room.lacking(cell.text)
        return _phantom(before) + text + _phantom(after)
    return text


def _below(column: Column, cell: Cell) -> str:
    if not cell.below:
        return ""
    wraps = column.align == "wrap"
    text = rf"\scriptsize {escape(cell.below, breakable=wraps)}"
    return rf"\raggedright{text}" if wraps else text


def _phantom(text: str) -> str:
    return rf"\phantom{{{escape(text)}}}" if text else ""
