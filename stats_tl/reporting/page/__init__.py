"""The page: a whole report in one HTML file that needs no network and no program but a browser.

What is shown is prepared by :mod:`.views` (tables, figures, references) and :mod:`.summary`
(the summary in plain language); ``page.html`` has the structure, ``page.css`` the looks,
``page.js`` sorts. Every text is escaped by jinja2; style and script are inlined and allowed by
their hash alone, so that nothing else can run or be loaded, whatever names a study has.
"""

from .build import build_page

__all__ = ["build_page"]
