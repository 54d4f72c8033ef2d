"""The Word document: a whole report as ``report.docx``, for journals that take nothing else.

:mod:`.tables` makes Word tables in the style of journals, :mod:`.package` the empty
document with its styles and, at the end, the file, of the same bytes every time; :mod:`.build`
fills it.
"""

from .build import build_document

__all__ = ["build_document"]
