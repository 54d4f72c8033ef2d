"""The warning of a test whose data carry no variance.

In a module of its own, since its base class costs the import of all of `scipy.stats`.
"""

from __future__ import annotations

__all__ = ["DegenerateDataWarning"]

import scipy


class DegenerateDataWarning(scipy.stats.DegenerateDataWarning):  # type: ignore[misc]
    """The data carry no information on the variance, or the answer is a convention.

    A subclass of scipy's warning of the same name, so that a filter on either catches it.
    """
