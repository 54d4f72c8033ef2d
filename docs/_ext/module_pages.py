"""One page per package with the docstring of each of its modules: models, notation, references.

Written before the sources are read, from the modules that are there, so that nothing has to be
listed by hand.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from sphinx.application import Sphinx

PACKAGES = ("archive", "calibration", "data", "reporting", "stats", "study", "train")
#: Commands: imported, they would be documented twice, as pages of their own.
LEFT_OUT = ("__main__",)


def module_names(package: str) -> list[str]:
    """The modules of a package, itself first, in the order of the folders."""
    folder = import_module(package).__path__
    below = (module.name for module in pkgutil.walk_packages(folder, f"{package}."))
    return [package, *(name for name in below if name.rpartition(".")[2] not in LEFT_OUT)]


def page(package: str) -> str:
    lines = [package, "=" * len(package), ""]
    for name in module_names(package):
        heading = f"``{name.removeprefix(f'{package}.')}``"
        lines += [heading, "-" * len(heading), "", f".. automodule:: {name}", ""]
    return "\n".join(lines)


def write_pages(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference" / "modules"
    folder.mkdir(exist_ok=True)
    for name in PACKAGES:
        target, text = folder / f"{name}.rst", page(f"stats_tl.{name}")
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    # Before autosummary, which reads the sources for names that need a page.
    app.connect("builder-inited", write_pages, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
