r"""Tables as LaTeX: booktabs rules, siunitx columns, threeparttable notes.

What comes out is plain ASCII, whatever the user's names are (:mod:`.escaping`), needs
no package beyond those of a small TeX, and depends on nothing but the table.
"""

from __future__ import annotations

__all__ = ["latex_document", "latex_table"]

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .escaping import escape
from .table import Cell, Column, Panel, Row, Table

_HEADINGS = {"methods.tex": "Statistical analysis", "results.tex": "Results"}
PACKAGES = ("array", "booktabs", "siunitx", "threeparttable")


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
        *_header(table.columns),
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
    rows = [line for line in table.body if isinstance(line, Row)]
    for index, column in enumerate(table.columns):
        if column.align == "wrap":
            # About 1.8 mm a letter at this size, within bounds that leave room for numbers.
            cells = [row.cells[index] for row in rows]
            texts = [column.header, *(c.text for c in cells), *(c.below for c in cells)]
            most = 28 if any(c.spanner for c in table.columns) else 60
            width = column.width or min(max(1.8 * max(map(len, texts)), 15), most)
            yield rf">{{\raggedright\arraybackslash}}p{{{width:.0f}mm}}"
        elif column.align == "decimal":
            yield f"S[table-format={_decimal_format(row.cells[index].text for row in rows)}]"
        else:
            yield {"left": "l", "right": "r", "center": "c", "p": "l"}[column.align]


def _decimal_format(texts: Iterable[str]) -> str:
    numbers = [text for text in texts if _is_number(text)]
    sign = "-" if any(text.startswith("−") for text in numbers) else ""
    wholes, decimals = [1], [0]
    for text in numbers:
        whole, _, decimal = text.lstrip("−").partition(".")
        wholes.append(len(whole))
        decimals.append(len(decimal))
    return f"{sign}{max(wholes)}.{max(decimals)}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"−?\d+(\.\d+)?", text) is not None


def _header(columns: Sequence[Column]) -> Iterator[str]:
    if any(column.spanner for column in columns):
        cells, rules, start = [], [], 0
        while start < len(columns):
            spanner, stop = columns[start].spanner, start + 1
            while spanner and stop < len(columns) and columns[stop].spanner == spanner:
                stop += 1
            if spanner:
                cells.append(rf"\multicolumn{{{stop - start}}}{{c}}{{{escape(spanner)}}}")
                rules.append(rf"\cmidrule(lr){{{start + 1}-{stop}}}")
            else:
                cells.append("")
            start = stop
        yield " & ".join(cells) + r" \\"
        yield "".join(rules)
    yield " & ".join(_heading(column) for column in columns) + r" \\"


def _heading(column: Column) -> str:
    text = escape(column.header)
    if column.align == "decimal":
        return f"{{{text}}}"
    return rf"\multicolumn{{1}}{{c}}{{{text}}}" if column.align in ("p", "center") else text


def _body(table: Table, body: Sequence[Row | Panel]) -> Iterator[str]:
    width = len(table.columns)
    for number, line in enumerate(body):
        if isinstance(line, Panel):
            if number:
                yield r"\addlinespace"
            yield rf"\multicolumn{{{width}}}{{@{{}}l}}{{\itshape {escape(line.text)}}} \\[2pt]"
            continue
        pairs = list(zip(table.columns, line.cells, strict=True))
        yield " & ".join(_cell(column, cell) for column, cell in pairs) + r" \\"
        if any(cell.below for cell in line.cells):
            yield " & ".join(_below(column, cell) for column, cell in pairs) + r" \\[2pt]"


def _cell(column: Column, cell: Cell) -> str:
    if column.align == "p":
        text = escape(cell.text)
        # An invisible sign keeps the decimal points of "<.001" and ".03" in line.
        if not cell.text.startswith(("<", ">", "–")):
            text = rf"\phantom{{\ensuremath{{<}}}}{text}"
    elif column.align == "decimal":
        if _is_number(cell.text) and not cell.bold:
            return cell.text.replace("−", "-")
        text = escape(cell.text)
    else:
        text = escape(cell.text, breakable=column.align == "wrap")
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    return f"{{{text}}}" if column.align == "decimal" and text else text


def _below(column: Column, cell: Cell) -> str:
    text = escape(cell.below, breakable=column.align == "wrap")
    if text:
        text = rf"\scriptsize {text}"
    return f"{{{text}}}" if column.align == "decimal" and text else text
