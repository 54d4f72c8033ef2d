"""The works that a report may cite, as BibTeX; only those that were used are written."""

from __future__ import annotations

__all__ = ["REFERENCES", "cited_keys", "references_bib"]

import re
from collections.abc import Iterable, Sequence

_FIELDS = ("author", "title", "journal", "year", "volume", "number", "pages", "doi", "note")


def _article(
    author: str, title: str, journal: str, year: int, volume: str, pages: str, doi: str
) -> tuple[str, dict[str, str]]:
    fields = (author, f"{{{title}}}", journal, str(year), volume, "", pages, doi, "")
    return "article", dict(zip(_FIELDS, fields, strict=True))


#: Key → kind and fields. Names are in LaTeX's own ASCII.
REFERENCES = {
    "delong1988": _article(
        "DeLong, Elizabeth R. and DeLong, David M. and Clarke-Pearson, Daniel L.",
        "Comparing the areas under two or more correlated receiver operating characteristic "
        "curves: a nonparametric approach",
        "Biometrics", 1988, "44", "837--845", "10.2307/2531595",
    ),
    "obuchowski1997": _article(
        "Obuchowski, Nancy A.",
        "Nonparametric analysis of clustered {ROC} curve data",
        "Biometrics", 1997, "53", "567--578", "10.2307/2533958",
    ),
    "ledell2015": _article(
        "LeDell, Erin and Petersen, Maya and van der Laan, Mark",
        "Computationally efficient confidence intervals for cross-validated area under the "
        "{ROC} curve estimates",
        "Electronic Journal of Statistics", 2015, "9", "1583--1607", "10.1214/15-EJS1035",
    ),
    "bates2024": _article(
        "Bates, Stephen and Hastie, Trevor and Tibshirani, Robert",
        "Cross-validation: what does it estimate and how well does it do it?",
        "Journal of the American Statistical Association", 2024, "119", "1434--1445",
        "10.1080/01621459.2023.2197686",
    ),
    "nadeau2003": _article(
        "Nadeau, Claude and Bengio, Yoshua",
        "Inference for the generalization error",
        "Machine Learning", 2003, "52", "239--281", "10.1023/A:1024068626366",
    ),
    "obuchowski1995": _article(
        "Obuchowski, Nancy A. and Rockette, Howard E.",
        "Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests: an "
        "{ANOVA} approach with dependent observations",
        "Communications in Statistics -- Simulation and Computation", 1995, "24", "285--308",
        "10.1080/03610919508813243",
    ),
    "hillis2007": _article(
        "Hillis, Stephen L.",
        "A comparison of denominator degrees of freedom methods for multiple observer {ROC} "
        "analysis",
        "Statistics in Medicine", 2007, "26", "596--619", "10.1002/sim.2532",
    ),
    "holm1979": _article(
        "Holm, Sture",
        "A simple sequentially rejective multiple test procedure",
        "Scandinavian Journal of Statistics", 1979, "6", "65--70", "",
    ),
    "hochberg1988": _article(
        "Hochberg, Yosef",
        "A sharper {Bonferroni} procedure for multiple tests of significance",
        "Biometrika", 1988, "75", "800--802", "10.1093/biomet/75.4.800",
    ),
    "hommel1988": _article(
        "Hommel, Gerhard",
        "A stagewise rejective multiple test procedure based on a modified {Bonferroni} test",
        "Biometrika", 1988, "75", "383--386", "10.1093/biomet/75.2.383",
    ),
    "dunn1961": _article(
        "Dunn, Olive Jean",
        "Multiple comparisons among means",
        "Journal of the American Statistical Association", 1961, "56", "52--64",
        "10.1080/01621459.1961.10482090",
    ),
    "benjamini1995": _article(
        "Benjamini, Yoav and Hochberg, Yosef",
        "Controlling the false discovery rate: a practical and powerful approach to multiple "
        "testing",
        "Journal of the Royal Statistical Society, Series B", 1995, "57", "289--300",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "benjamini2001": _article(
        "Benjamini, Yoav and Yekutieli, Daniel",
        "The control of the false discovery rate in multiple testing under dependency",
        "Annals of Statistics", 2001, "29", "1165--1188", "10.1214/aos/1013699998",
    ),
    "schuirmann1987": _article(
        "Schuirmann, Donald J.",
        "A comparison of the two one-sided tests procedure and the power approach for assessing "
        "the equivalence of average bioavailability",
        "Journal of Pharmacokinetics and Biopharmaceutics", 1987, "15", "657--680",
        "10.1007/BF01068419",
    ),
    "bates2015": _article(
        r"Bates, Douglas and M{\"a}chler, Martin and Bolker, Ben and Walker, Steve",
        "Fitting linear mixed-effects models using lme4",
        "Journal of Statistical Software", 2015, "67", "1--48", "10.18637/jss.v067.i01",
    ),
    "kenward1997": _article(
        "Kenward, Michael G. and Roger, James H.",
        "Small sample inference for fixed effects from restricted maximum likelihood",
        "Biometrics", 1997, "53", "983--997", "10.2307/2533558",
    ),
    "satterthwaite1946": _article(
        "Satterthwaite, Franklin E.",
        "An approximate distribution of estimates of variance components",
        "Biometrics Bulletin", 1946, "2", "110--114", "10.2307/3002019",
    ),
    "youden1950": _article(
        "Youden, William J.",
        "Index for rating diagnostic tests",
        "Cancer", 1950, "3", "32--35",
        "10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3",
    ),
    "mcnemar1947": _article(
        "McNemar, Quinn",
        "Note on the sampling error of the difference between correlated proportions or "
        "percentages",
        "Psychometrika", 1947, "12", "153--157", "10.1007/BF02295996",
    ),
    "durkalski2003": _article(
        "Durkalski, Valerie L. and Palesch, Yuko Y. and Lipsitz, Stuart R. and Rust, Philip F.",
        "Analysis of clustered matched-pair data",
        "Statistics in Medicine", 2003, "22", "2417--2428", "10.1002/sim.1438",
    ),
    "wilson1927": _article(
        "Wilson, Edwin B.",
        "Probable inference, the law of succession, and statistical inference",
        "Journal of the American Statistical Association", 1927, "22", "209--212",
        "10.1080/01621459.1927.10502953",
    ),
    "mei2022": _article(
        "Mei, Xueyan and others",
        "{RadImageNet}: an open radiologic deep learning research dataset for effective transfer "
        "learning",
        "Radiology: Artificial Intelligence", 2022, "4", "e210315", "10.1148/ryai.210315",
    ),
    "stats_tl": (
        "misc",
        {
            "author": "{The stats_tl maintainers}".replace("_", r"\_"),
            "title": r"{stats\_tl: paired comparison of pretrained models in medical imaging}",
            "year": "2026",
        },
    ),
}  # fmt: skip


def cited_keys(paragraphs: Iterable[str]) -> list[str]:
    """Keys cited in paragraphs, in the order of their first citation.

    Examples
    --------
    >>> cited_keys(["A [@b; @a].", "B [@a]."])
    ['b', 'a']
    """
    found = (key for text in paragraphs for key in re.findall(r"@([\w-]+)", _citations(text)))
    return list(dict.fromkeys(found))


def references_bib(keys: Sequence[str]) -> dict[str, str]:
    """BibTeX entries of the keys, in alphabetical order."""
    return {key: _entry(key) for key in sorted(keys)}


def _citations(text: str) -> str:
    return " ".join(re.findall(r"\[(@[^\]]+)\]", text))


def _entry(key: str) -> str:
    kind, fields = REFERENCES[key]
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])
