"""Compile every table of a report in the document classes of journals, and say what does not fit.

    python docs/journal_classes.py               # all classes
    python docs/journal_classes.py llncs IEEEtran-journal

The tables are those of the committed study and of a simulated one with three arms, two tasks, many
rows, and long names. Exits with 1 where a class reports an error, an overfull box or a float that
is too large. docs/report.md names the classes that this was tried with.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Class:
    """A document class: its options, layout of the tables, what stands around them."""

    layout: str
    name: str
    options: str = ""
    head: str = ""
    begin: str = ""


#: Sans serif, OT1 borrows some symbols.
_FONTS = r"\usepackage[T1]{fontenc}\usepackage{lmodern}"
_AUTHOR = r"\title{T}\author{A}"
CLASSES = {
    "article": Class("one-column", "article"),
    "article-landscape": Class("landscape", "article"),
    "article-twocolumn": Class("two-column", "article", "twocolumn"),
    "llncs": Class("one-column", "llncs", head=_AUTHOR + r"\institute{I}"),
    "llncs-landscape": Class("landscape", "llncs", head=_AUTHOR + r"\institute{I}"),
    "elsarticle-review": Class("one-column", "elsarticle", "review"),
    "elsarticle-3p": Class("one-column", "elsarticle", "3p"),
    "elsarticle-5p": Class("two-column", "elsarticle", "5p,twocolumn"),
    "IEEEtran-journal": Class("two-column", "IEEEtran", "journal"),
    "IEEEtran-conference": Class("two-column", "IEEEtran", "conference"),
    "jmlr": Class("one-column", "jmlr"),
    "acmart-sigconf": Class("two-column", "acmart", "sigconf,nonacm", _AUTHOR, r"\maketitle"),
    "acmart-acmsmall": Class("one-column", "acmart", "acmsmall,nonacm", _AUTHOR, r"\maketitle"),
    "revtex4-2": Class("two-column", "revtex4-2", "reprint,aps"),
    "apa7-man": Class("one-column", "apa7", "man", r"\shorttitle{T}" + _AUTHOR, r"\maketitle"),
    "apa7-jou": Class("two-column", "apa7", "jou", r"\shorttitle{T}" + _AUTHOR, r"\maketitle"),
    "scrartcl": Class("one-column", "scrartcl"),
    "memoir": Class("one-column", "memoir"),
    "beamer": Class("beamer", "beamer", head=_FONTS),
    "beamer-wide": Class("beamer", "beamer", "aspectratio=169", _FONTS),
    "achemso": Class("one-column", "achemso", head=_AUTHOR + r"\email{a@b.c}\affiliation{I}"),
}


def tables() -> Iterator[tuple[str, object]]:
    """Names and tables of the two studies."""
    import pandas as pd

    from stats_tl.archive import load
    from stats_tl.reporting import AnalysisOptions, Predictions, build_report
    from tests.reporting.simulate import simulate_scores

    arms = (("imagenet", 0.9), ("radimagenet_v2-self.supervised+long", 1.0), ("C%", 1.4))
    frames = [
        simulate_scores(task=task, backbone=backbone, arms=arms, repeats=2, seed=seed)
        for seed, task in enumerate(("breast ultrasound, malignant against benign", "ACL tear"))
        for backbone in ("squeezenet1_1", "densenet121", "inception_v3", "mobilenet_v2")
    ]
    many = Predictions(pd.concat(frames, ignore_index=True), name="many", digest="0" * 64)
    committed = load(ROOT / "runs" / "busbra")
    for name, evidence, reference in (
        ("busbra", committed, "random"),
        ("many", many, "imagenet"),
    ):
        options = AnalysisOptions(reference=reference, margin=0.02, planned=True)
        for section in build_report(evidence, options, formats=[]).sections:
            yield f"{name}-{section.name}", section.table


def document(what: Class, inputs: list[str]) -> str:
    """A document of that class that inputs the tables."""
    return "\n".join(
        [
            rf"\documentclass[{what.options}]{{{what.name}}}",
            r"\usepackage{booktabs,threeparttable}",
            r"\usepackage{rotating}" if what.layout == "landscape" else "",
            what.head,
            r"\begin{document}",
            what.begin,
            "Text.",
            *(rf"\input{{{name}}}\clearpage" for name in inputs),
            r"\end{document}",
            "",
        ]
    )


def problems(folder: Path) -> list[str]:
    """What pdflatex says of the document of a folder."""
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "document.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    log = (folder / "document.log").read_text(errors="replace") or done.stdout
    found = re.findall(
        r"^! .*|^Overfull .*|^LaTeX Warning: Float too large.*|^LaTeX Font Warning: .*not avail.*",
        log, re.MULTILINE,
    )  # fmt: skip
    return found if "Output written" in log else [*found, "no output"]


def main(names: list[str]) -> int:
    """Compile; returns the exit code."""
    from stats_tl.reporting.rendering.latex import latex_table
    from stats_tl.reporting.rendering.layout import parse_layout

    made = list(tables())
    failed = False
    for name in names or CLASSES:
        what = CLASSES[name]
        with tempfile.TemporaryDirectory() as folder:
            for stem, table in made:
                text = latex_table(table, layout=parse_layout(what.layout))
                (Path(folder) / f"{stem}.tex").write_text(text)
            inputs = [stem for stem, _ in made]
            (Path(folder) / "document.tex").write_text(document(what, inputs))
            found = problems(Path(folder))
        print(f"{name}: {'; '.join(found) or 'everything fits'}", flush=True)
        failed |= bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
