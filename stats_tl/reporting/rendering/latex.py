r"""Tables as LaTeX: booktabs rules, aligned decimals, threeparttable notes.

What comes out is plain ASCII, whatever the user's names are (:mod:`.escaping`), needs
no package beyond those of a small TeX, and depends on nothing but the table. pandoc reads the
same tables: columns are ``l``, ``c``, ``r`` and ``p{…}``, decimals are in line because what a
number lacks stands beside it as a ``\phantom``, and what pandoc would take for text it is not
shown (:func:`_unseen_by_pandoc`).
"""

from __future__ import annotations

__all__ = ["latex_document", "latex_table"]

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from .decimals import Decimals
from .escaping import definitions, escape
from .fitting import BODY_SIZE, LEADING, SMALL_SIZE, Part, broken_cell, fitted
from .layout import PAGE, Layout
from .table import Cell, Column, Panel, Row, Table

_HEADINGS = {"methods.tex": "Statistical analysis", "results.tex": "Results"}
PACKAGES = ("booktabs", "threeparttable")


def latex_table(
    table: Table,
    *,
    provenance: Sequence[str] = (),
    layout: Layout = PAGE,
    max_rows: int | None = None,
) -> str:
    r"""A table as one or more ``table`` floats.

    Parameters
    ----------
    table : Table
    provenance : sequence of str
        Lines for the comment at the top: where the numbers come from.
    layout : Layout, optional
        Room for a float. A wider or taller table goes on in the next, with caption and header
        again, and the notes below the last.
    max_rows : int, optional
        Most rows of a float, where fewer are wanted than there is room for.

    Returns
    -------
    str
        LaTeX that needs the packages named in its first lines and nothing else.
    """
    needed = " ".join(rf"\usepackage{{{name}}}" for name in _packages(layout))
    head = [*(f"% {line}" for line in provenance), f"% Needs: {needed}"]
    parts = fitted(table, layout, max_rows)
    floats = [_float(part, layout, continued=number > 0) for number, part in enumerate(parts)]
    body = "\n".join(floats)
    return "\n".join([*head, *definitions(body), body]) + "\n"


def _packages(layout: Layout) -> tuple[str, ...]:
    return (*PACKAGES, "rotating") if layout.environment == "sidewaystable" else PACKAGES


def latex_document(
    title: str,
    inputs: Iterable[str],
    *,
    captions: Mapping[str, str] | None = None,
    provenance: Sequence[str] = (),
    layout: Layout = PAGE,
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
    layout : Layout, optional
        That of the tables; a wider one than the page of the document makes its text wider.
    """
    lines = [f"% {line}" for line in provenance]
    lines += [
        r"\documentclass[a4paper,10pt]{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage{lmodern,textcomp,graphicx}",
        rf"\usepackage[{_margins(layout)}]{{geometry}}",
        *(rf"\usepackage{{{name}}}" for name in _packages(layout)),
        # Every float where there is room: a document of tables has no text to break.
        r"\renewcommand{\topfraction}{.95}\renewcommand{\floatpagefraction}{.6}",
        r"\setcounter{totalnumber}{8}\setcounter{topnumber}{8}",
        # Names and hashes in a paragraph may be long.
        r"\setlength{\emergencystretch}{4em}",
        # Tables for slides bring frames of their own.
        *([r"\newenvironment{frame}{}{}"] if layout.frames else []),
        r"\begin{document}",
    ]
    body = [rf"\section*{{{escape(title)}}}"]
    paths = list(inputs)
    for path in paths:
        if path in _HEADINGS:
            body += [rf"\subsection*{{{_HEADINGS[path]}}}", rf"\input{{{path}}}"]
        elif path.endswith(".tex"):
            body.append(rf"\input{{{path}}}")
        else:
            caption = (captions or {}).get(path, "")
            body += [
                r"\begin{figure}[htbp]\centering",
                rf"\includegraphics{{{path}}}",
                *([rf"\caption{{{escape(caption, breakable=True)}}}"] if caption else []),
                r"\end{figure}",
            ]
    if _HEADINGS.keys() & set(paths):
        body += [r"\bibliographystyle{unsrt}", r"\bibliography{references}"]
    return "\n".join([*lines, *definitions("".join(body)), *body, r"\end{document}"]) + "\n"


def _margins(layout: Layout) -> str:
    upright = layout.environment != "sidewaystable"
    if upright and layout.width > PAGE.width:
        return f"paperwidth={layout.width + 50:g}mm,margin=25mm"
    return "margin=25mm"


def _float(part: Part, layout: Layout, *, continued: bool) -> str:
    table = part.table
    caption = escape(table.caption, breakable=True) + (" (continued)" if continued else "")
    same_number = [_unseen_by_pandoc(r"\addtocounter{table}{-1}")] if continued else []
    label = "" if continued else rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]', '-', table.name)}}}"
    place = "" if layout.environment == "sidewaystable" else "[htbp]"
    lines = [
        *([r"\begin{frame}"] if layout.frames else []),
        rf"\begin{{{layout.environment}}}{place}",
        r"\centering",
        r"\setlength{\emergencystretch}{3em}",
        *same_number,
        r"\begin{threeparttable}",
        rf"\caption{{{caption}}}{label}",
        # Of the same size whatever that of the document is, so that the width is known.
        rf"\linespread{{1}}{_size(BODY_SIZE, LEADING)}",
        rf"\setlength{{\tabcolsep}}{{{part.gap:g}pt}}",
        rf"\begin{{tabular}}{{@{{}}{''.join(_specification(part))}@{{}}}}",
        r"\toprule",
        *_header(table),
        r"\midrule",
        *_body(part),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if table.notes:
        lines += [
            rf"\begin{{tablenotes}}[flushleft]{_size(BODY_SIZE, LEADING)}",
            r"\setlength{\labelsep}{0pt}",
            *(rf"\item {escape(note, breakable=True)}" for note in table.notes),
            r"\end{tablenotes}",
        ]
    lines += [r"\end{threeparttable}", rf"\end{{{layout.environment}}}"]
    lines += [r"\end{frame}"] if layout.frames else []
    return "\n".join(lines)


def _size(size: float, leading: float) -> str:
    return rf"\fontsize{{{size:g}}}{{{leading:g}}}\selectfont"


def _specification(part: Part) -> Iterator[str]:
    for column, width in zip(part.table.columns, part.widths, strict=True):
        if width is not None:
            yield rf"p{{{width:.1f}pt}}"
        else:
            yield {"right": "r", "center": "c", "decimal": "c", "p": "c"}.get(column.align, "l")


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

    It would print the arguments of commands that it does not know, such as ``\cmidrule``.
    """
    return rf"\unless\iffalse{latex}\fi"


def _body(part: Part) -> Iterator[str]:
    table, panels = part.table, iter(part.panels)
    width = len(table.columns)
    room = [Decimals.of(row.cells[index].text for row in table.rows) for index in range(width)]
    # \raggedright gives another meaning to \\.
    end = r"\tabularnewline" if table.columns[-1].align == "wrap" else r"\\"
    for line, following in zip(table.body, [*table.body, None][1:], strict=True):
        if isinstance(line, Panel):
            for text in next(panels):
                yield rf"\multicolumn{{{width}}}{{l}}{{\itshape {escape(text)}}} \\[2pt]"
            continue
        # Not \\addlinespace, after which pandoc loses a panel.
        lines = _lines(part, line, room)
        gap = "[6pt]" if isinstance(following, Panel) else "[2pt]" if len(lines) > 1 else ""
        yield from (" & ".join(cells) + f" {end}" for cells in lines[:-1])
        yield " & ".join(lines[-1]) + f" {end}{gap}"


def _lines(part: Part, row: Row, room: Sequence[Decimals]) -> list[list[str]]:
    """The cells of a row line by line, where cells have a second one.

    Text that wraps stands in as many lines as it takes, so that a number and the interval below
    it are not torn apart by a long name beside them.
    """
    parts = list(zip(part.table.columns, row.cells, part.widths, room, strict=True))
    if not any(cell.below for cell in row.cells):
        return [[_cell(column, cell, space) for column, cell, _, space in parts]]
    stacks = []
    for column, cell, width, space in parts:
        if width is None:
            stacks.append([_cell(column, cell, space), _below(column, cell)])
        else:
            texts = [replace(cell, text=text) for text in broken_cell(cell.text, width)]
            below = broken_cell(cell.below, width, SMALL_SIZE) if cell.below else []
            stacks.append(
                [_cell(column, text, space) for text in texts]
                + [_below(column, replace(cell, below=text)) for text in below]
            )
    return [list(line) for line in itertools.zip_longest(*stacks, fillvalue="")]


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
    text = _size(SMALL_SIZE, LEADING) + f" {escape(cell.below, breakable=wraps)}"
    return rf"\raggedright{text}" if wraps else text


def _phantom(text: str) -> str:
    return rf"\phantom{{{escape(text)}}}" if text else ""
