"""The pages of the reference, written from the package, so that nothing can be forgotten.

One page per public module lists the names in ``__all__``, grouped by the room they live in; one per
package has the docstring of each of its modules: models, notation, references.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from dotted_names import module_names
from sphinx.application import Sphinx

#: Public modules with what their pages say first.
PAGES = {
    "stats_tl.stats": (
        "Tests and intervals for comparing classifiers: arrays in, results out. No torch, no\n"
        "files. :doc:`/which_test` says which answers which question;\n"
        ":doc:`/tutorials/plot_5_tour_of_stats` walks through them."
    ),
    "stats_tl.reporting": (
        "Results to tables, text and figures. Reads no archive, trains nothing, works in a\n"
        "notebook. :doc:`/report` describes what the command writes."
    ),
    "stats_tl.reporting.figures": (
        "Figures for one column of a journal. ``*_data`` functions compute what is shown,\n"
        "``draw_*`` functions draw it into the Axes they are given and return them, ``*_figure``\n"
        "functions do both. The :doc:`gallery </gallery/index>` shows each with its code."
    ),
    "stats_tl.archive": "The only reader and writer of ``runs/``. :doc:`/archive` has the format.",
    "stats_tl.data": "From files to cases, patients and images; :doc:`/data` has the layouts.",
    "stats_tl.calibration": (
        "How often each test errs, on data sets where the truth is known: the code of\n"
        ":doc:`the calibration study </studies/calibration>`."
    ),
    "stats_tl.errors": "Errors that a user can cause; :doc:`/errors` has exit codes and messages.",
}
#: Packages whose modules have their docstrings shown.
PACKAGES = ("archive", "calibration", "data", "reporting", "stats", "study", "train")
#: Headings of rooms, in the order of the page; others follow under their own name.
HEADINGS = {
    "stats.results": "Results",
    "stats.procedure": "What a test did",
    "stats._shared": "Options of resampling",
    "stats.curves": "ROC curves: one model, or several on one test set",
    "stats.thresholds": "Fixed thresholds",
    "stats.crossvalidation": "Training procedures: cross-validation",
    "stats.readers": "Readers, or seeds, on one test set",
    "stats.mixed": "Mixed models",
    "stats.tasks": "Several tasks: ranks, paired tests, effect sizes",
    "stats.decisions": "Decisions: equivalence and multiplicity",
    "stats.planning": "Planning",
    "reporting.evidence": "Evidence and options",
    "reporting.results": "Comparisons as DataFrames",
    "reporting.tables": "Tables",
    "reporting.rendering": "Output",
    "reporting.build": "Reports",
    "reporting.auc_table": "A grid of published AUCs",
    "reporting.figures": "Figures",
}


def room(module: str, found: Any) -> str:
    """Where a name is defined: the package or module right below `module`."""
    home = getattr(found, "__module__", module) or module
    inside = home.removeprefix(f"{module}.").split(".")[0] if home.startswith(f"{module}.") else ""
    return f"{module}.{inside}".removeprefix("stats_tl.") if inside else ""


def names_page(module: str, intro: str) -> str:
    """The public names of a module."""
    public = import_module(module)
    rooms: dict[str, list[str]] = {}
    for name in public.__all__:
        rooms.setdefault(room(module, getattr(public, name)), []).append(name)
    lines = [module, "=" * len(module), "", intro, "", f".. currentmodule:: {module}", ""]
    order = [*(key for key in HEADINGS if key in rooms), *sorted(set(rooms) - set(HEADINGS))]
    for key in order:
        heading = HEADINGS.get(key, key.rpartition(".")[2].replace("_", " ").strip().capitalize())
        if len(rooms) > 1:
            heading = heading or "Constants and others"
            lines += [heading, "-" * len(heading), ""]
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        lines += [*(f"   {name}" for name in sorted(rooms[key], key=str.lower)), ""]
    return "\n".join(lines)


def modules_page(package: str) -> str:
    """The docstrings of a package and of its modules, in the order of the folders."""
    lines = [package, "=" * len(package), ""]
    for name in (package, *(n for n in module_names() if n.startswith(f"{package}."))):
        heading = f"``{name.removeprefix(f'{package}.')}``"
        lines += [heading, "-" * len(heading), "", f".. automodule:: {name}", ""]
    return "\n".join(lines)


def write_pages(app: Sphinx, _config: Any) -> None:
    folder = Path(app.srcdir) / "reference"
    (folder / "modules").mkdir(exist_ok=True)
    pages = {m.rpartition(".")[2]: names_page(m, intro) for m, intro in PAGES.items()}
    pages |= {f"modules/{name}": modules_page(f"stats_tl.{name}") for name in PACKAGES}
    for name, text in pages.items():
        target = folder / f"{name}.rst"
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    # Before the sources are listed: autosummary makes pages for the names in those it finds then.
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
