"""How the site is built: `sphinx-build -W --keep-going docs docs/_build/html`."""

import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

project = "stats_tl"
author = "The stats_tl maintainers"
copyright = author
try:
    release = version_of("stats_tl")
except PackageNotFoundError:  # a checkout that is on the path, not installed
    release = ""

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "private_names",
    "reference_pages",
]
exclude_patterns = ["_build", "examples", "sg_execution_times.*", "**/sg_execution_times.*"]
templates_path = ["_templates"]
nitpicky = True
language = "en_GB"
smartquotes = False

# Markdown
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
myst_fence_as_directive = ["include"]

# API reference: numpydoc renders the sections; types stay as they are written there.
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
add_module_names = False
# `%s` is the identifier.
extlinks = {
    "doi": ("https://doi.org/%s", "doi:%s"),
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
}

# What is not on this machine: `sphinx-build -b linkcheck`, which a scheduled workflow runs.
linkcheck_timeout = 20
linkcheck_workers = 4

# Examples run in a copy, so that what they write does not end up in the checkout.
_examples = Path(tempfile.gettempdir()) / "stats_tl-docs-examples"
shutil.rmtree(_examples, ignore_errors=True)
shutil.copytree(HERE / "examples", _examples)
sphinx_gallery_conf = {
    "examples_dirs": [str(_examples / "tutorials"), str(_examples / "gallery")],
    "gallery_dirs": ["tutorials", "gallery"],
    "filename_pattern": "",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "min_reported_time": float("inf"),
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"matplotlib\.",
    "image_scrapers": ("matplotlib", "last_figure.scrape"),
}
# A docstring may list a reference without a number in its text.
suppress_warnings = ["config.cache", "ref.citation"]

# The page
html_theme = "pydata_sphinx_theme"
html_title = "stats_tl"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "footer_start": ["copyright"],
    "footer_end": [],
    "collapse_navigation": True,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": []}
