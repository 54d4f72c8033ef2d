"""A figure that is a block's last expression, as a notebook would show it, for sphinx-gallery.

The figures of ``stats_tl.reporting.figures`` are no pyplot figures, so that making one leaves no
state behind; sphinx-gallery looks at pyplot alone.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    shown = block_vars["example_globals"].get("___")
    done = block_vars.setdefault("last_figures", [])
    if not isinstance(shown, Figure) or any(shown is figure for figure in done):
        return ""
    done.append(shown)
    path = next(block_vars["image_path_iterator"])
    shown.savefig(path, dpi=200)
    return figure_rst([path], gallery_conf["src_dir"])
