"""What the analysis was planned to be: the ``[analysis]`` table of a plan, and departures from it.

Read here, not in :mod:`stats_tl.study`, because predictions made elsewhere have an
analysis plan but no study.
"""

from __future__ import annotations

__all__ = ["CORRECTIONS", "AnalysisOptions", "read_analysis_plan"]

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError, suggest

CORRECTIONS = ("holm", "hochberg", "hommel", "bonferroni", "bh", "by", "none")
PRIMARY_KEYS = ("task", "backbone", "head", "unfreeze", "arm")
_KEYS = ("alpha", "margin", "correction", "primary", "reference")


@dataclass(frozen=True)
class AnalysisOptions:
    """Options of an analysis.

    Attributes
    ----------
    reference : str or None
        Arm that the others are compared with.
    alpha : float
        Level of the tests; intervals have level ``1 - alpha``.
    margin : float or None
        Differences of AUC within ± margin do not matter; None: no test of equivalence.
    correction : str
        Adjustment for several comparisons, one of :data:`CORRECTIONS`.
    primary : dict of str to str
        Keys of the primary comparison; the others are then secondary.
    power : float
        Power at which a difference counts as detectable.
    planned : bool
        False where there was no plan to depart from.
    departures : tuple of str
        What was set otherwise than the plan says: the analysis is then exploratory.
    """

    reference: str | None = None
    alpha: float = 0.05
    margin: float | None = None
    correction: str = "holm"
    primary: Mapping[str, str] = field(default_factory=dict)
    power: float = 0.8
    planned: bool = False
    departures: tuple[str, ...] = ()

    @classmethod
    def from_plan(cls, analysis: Mapping[str, Any], *, source: str, reference: str | None = None):
        """Options from an ``[analysis]`` table; `source` opens the error message.

        Raises
        ------
        UserError
            If a key is unknown or a value not allowed; the message lists every problem.
        """
        problems = list(_problems(analysis))
        if problems:
            listed = "\n".join(f"  - [analysis] {problem}" for problem in problems)
            raise UserError(f"{source} is not a valid analysis plan:\n{listed}")
        given = {key: value for key, value in analysis.items() if value is not None}
        return cls(**{"reference": reference, **given, "planned": True})

    def override(self, where: str, **changes: Any) -> AnalysisOptions:
        """The options with the given changes; None leaves a value as it is.

        A change of a planned value is recorded in `departures`, with `where` it was made.
        """
        changes = {key: value for key, value in changes.items() if value is not None}
        problems = list(_problems(changes))
        if problems:
            raise UserError(f"{where}: " + "; ".join(problems))
        different = {k: v for k, v in changes.items() if v != getattr(self, k)}
        departures = list(self.departures)
        if self.planned:
            for key, value in different.items():
                planned = getattr(self, key)
                before = "none" if planned is None or planned == {} else _spell(planned)
                departures.append(f"{key} {_spell(value)} ({where}; planned: {before})")
        return dataclasses.replace(self, **different, departures=tuple(departures))


def read_analysis_plan(path: str | Path) -> tuple[dict[str, Any], str | None]:
    """The ``[analysis]`` table of a TOML file, and the reference arm it names.

    Parameters
    ----------
    path : path-like
        A whole study plan, or a file with nothing but ``[analysis]``.

    Returns
    -------
    analysis : dict
    reference : str or None
        The arm with ``reference = true``, where the plan has arms.

    Raises
    ------
    UserError
        If the file cannot be read, is not TOML or has no ``[analysis]``.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read the plan {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    analysis = content.get("analysis")
    if not isinstance(analysis, dict):
        found = ", ".join(f"[{key}]" for key in content) or "nothing"
        raise UserError(f"{path} has no [analysis] table; found: {found}")
    arms = content.get("arms", [])
    references = [a.get("name") for a in arms if isinstance(a, dict) and a.get("reference")]
    return analysis, str(references[0]) if len(references) == 1 else None


def _problems(values: Mapping[str, Any]):
    for key, value in values.items():
        if key not in _KEYS:
            yield f"{key}: unknown key; {suggest(key, _KEYS)}"
        elif key == "correction" and value not in CORRECTIONS:
            yield f"correction = {value!r}: {suggest(str(value), CORRECTIONS)}"
        elif key in ("alpha", "margin") and not (key == "margin" and value is None):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and 0 < value < 0.5):
                yield f"{key} = {value!r}: expected a number between 0 and 0.5"
        elif key == "reference" and not (value is None or isinstance(value, str)):
            yield f"reference = {value!r}: expected the name of an arm"
        elif key == "primary":
            if not isinstance(value, Mapping):
                yield f"primary = {value!r}: expected a table such as {{ task = 'breast' }}"
                continue
            for name, word in value.items():
                if name not in PRIMARY_KEYS:
                    yield f"primary {name}: unknown key; {suggest(name, PRIMARY_KEYS)}"
                elif not isinstance(word, str):
                    yield f"primary {name} = {word!r}: expected text, e.g. {str(word)!r}"


def _spell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {word}" for key, word in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
