"""What the analysis was planned to be: the ``[analysis]`` table of a plan, and departures from it.

Read here, not in :mod:`stats_tl.study`, because predictions made elsewhere have an
analysis plan but no study.
"""

from __future__ import annotations

__all__ = ["CORRECTIONS", "AnalysisOptions", "read_analysis_plan"]

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import UserError, suggest
from ...toml import read_toml

CORRECTIONS = ("holm", "hochberg", "hommel", "bonferroni", "bh", "by", "none")
PRIMARY_KEYS = ("task", "backbone", "head", "unfreeze", "arm")
_KEYS = (
    "alpha",
    "margin",
    "correction",
    "primary",
    "families",
    "subgroups",
    "target_sensitivity",
    "reference",
)


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
    families : tuple of str
        Keys (of :data:`PRIMARY_KEYS`) within whose values p values are adjusted; none: all
        secondary comparisons are one family.
    subgroups : tuple of str or None
        Covariates whose subgroups are compared; None: nothing was said.
    target_sensitivity : float or None
        Sensitivity on the tuning cases at which the threshold of the operating points is
        set; None: at the largest Youden index.
    power : float
        Power at which a difference counts as detectable.
    planned : bool
        False where there was no plan to depart from.
    departures : tuple of str
        What was set otherwise than the plan says: the analysis is then exploratory.
    plan_sha256 : str
        SHA-256 of the plan file, or of the canonical ``[analysis]`` of an archive.
    plan_source : str
        What that hash is of.
    """

    reference: str | None = None
    alpha: float = 0.05
    margin: float | None = None
    correction: str = "holm"
    primary: Mapping[str, str] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    subgroups: tuple[str, ...] | None = None
    target_sensitivity: float | None = None
    power: float = 0.8
    planned: bool = False
    departures: tuple[str, ...] = ()
    plan_sha256: str = ""
    plan_source: str = ""

    @classmethod
    def from_plan(
        cls,
        analysis: Mapping[str, Any],
        *,
        source: str,
        reference: str | None = None,
        sha256: str = "",
    ) -> AnalysisOptions:
        """Options from an ``[analysis]`` table; `source` opens the error message.

        `sha256` is that of the file the table stands in; without it the hash is that of
        the table and the reference as canonical JSON.

        Raises
        ------
        UserError
            If a key is unknown or a value not allowed; the message lists every problem.
        """
        problems = list(_problems(analysis))
        if problems:
            listed = "\n".join(f"  - [analysis] {problem}" for problem in problems)
            raise UserError(f"{source} is not a valid analysis plan:\n{listed}")
        given = {key: _frozen(value) for key, value in analysis.items() if value is not None}
        merged: dict[str, Any] = {"reference": reference, **given}
        kind = "the plan file" if sha256 else "the archived analysis plan and reference arm"
        return cls(
            **merged,
            planned=True,
            plan_sha256=sha256 or _digest(merged),
            plan_source=kind,
        )

    @classmethod
    def from_archive(
        cls, analysis: Mapping[str, Any] | None, *, reference: str | None
    ) -> AnalysisOptions:
        """Options from the ``[analysis]`` of an archived plan, which holds defaults too.

        A table that is nothing but defaults planned nothing: it names neither a primary
        comparison nor a margin, and is what a plan without ``[analysis]`` is archived with.
        """
        if all(value == _DEFAULTS.get(key) for key, value in (analysis or {}).items()):
            return cls(reference=reference)
        return cls.from_plan(analysis or {}, source="the archive", reference=reference)

    @property
    def subgroups_planned(self) -> bool:
        """Whether the subgroups are those of the plan, whatever else departs from it."""
        changed = any(text.startswith("subgroups ") for text in self.departures)
        return bool(self.planned and self.subgroups) and not changed

    def override(self, where: str, **changes: Any) -> AnalysisOptions:
        """The options with the given changes; None leaves a value as it is.

        A change of a planned value is recorded in `departures`, with `where` it was made.
        """
        changes = {key: _frozen(value) for key, value in changes.items() if value is not None}
        problems = list(_problems(changes))
        if problems:
            raise UserError(f"{where}: " + "; ".join(problems))
        different = {k: v for k, v in changes.items() if v != getattr(self, k)}
        departures = list(self.departures)
        if self.planned:
            for key, value in different.items():
                planned = getattr(self, key)
                before = "none" if planned in (None, {}, ()) else _spell(planned)
                departures.append(f"{key} {_spell(value)} ({where}; planned: {before})")
        return dataclasses.replace(self, **different, departures=tuple(departures))


#: An ``[analysis]`` table as a plan has it that does not have one.
_DEFAULTS = {"alpha": 0.05, "correction": "holm", "margin": None, "primary": {}}


def read_analysis_plan(path: str | Path) -> tuple[dict[str, Any], str | None, str]:
    """The ``[analysis]`` table of a TOML file, the reference arm it names, and its hash.

    Parameters
    ----------
    path : path-like
        A whole study plan, or a file with nothing but ``[analysis]``.

    Returns
    -------
    analysis : dict
    reference : str or None
        The arm with ``reference = true``, where the plan has arms.
    sha256 : str
        Of the bytes of the file, as ``sha256sum`` gives it.

    Raises
    ------
    UserError
        If the file cannot be read, is not TOML or has no ``[analysis]``.
    """
    path = Path(path)
    content, raw = read_toml(path, "the plan")
    analysis = content.get("analysis")
    if not isinstance(analysis, dict):
        found = ", ".join(f"[{key}]" for key in content) or "nothing"
        raise UserError(f"{path} has no [analysis] table; found: {found}")
    arms = content.get("arms", [])
    references = [a.get("name") for a in arms if isinstance(a, dict) and a.get("reference")]
    reference = str(references[0]) if len(references) == 1 else None
    return analysis, reference, hashlib.sha256(raw).hexdigest()


def _problems(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if key not in _KEYS:
            yield f"{key}: unknown key; {suggest(key, _KEYS)}"
        elif value is None:
            continue
        elif key == "correction" and value not in CORRECTIONS:
            yield f"correction = {value!r}: {suggest(str(value), CORRECTIONS)}"
        elif key in ("alpha", "margin", "target_sensitivity"):
            most = 1 if key == "target_sensitivity" else 0.5
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and 0 < value < most):
                yield f"{key} = {value!r}: expected a number between 0 and {most}"
        elif key == "reference" and not isinstance(value, str):
            yield f"reference = {value!r}: expected the name of an arm"
        elif key in ("families", "subgroups"):
            yield from _list_problems(key, value)
        elif key == "primary":
            yield from _primary_problems(value)


def _list_problems(key: str, value: Any) -> Iterator[str]:
    if not (isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)):
        example = '["task"]' if key == "families" else '["scanner"]'
        yield f"{key} = {value!r}: expected a list such as {example}"
        return
    for word in value:
        if key == "families" and word not in PRIMARY_KEYS:
            yield f"families {word}: unknown key; {suggest(word, PRIMARY_KEYS)}"
    if len(set(value)) < len(value):
        yield f"{key} = {list(value)!r}: a name is there more than once"


def _primary_problems(value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"primary = {value!r}: expected a table such as {{ task = 'breast' }}"
        return
    for name, word in value.items():
        if name not in PRIMARY_KEYS:
            yield f"primary {name}: unknown key; {suggest(name, PRIMARY_KEYS)}"
        elif not isinstance(word, str):
            yield f"primary {name} = {word!r}: expected text, e.g. {str(word)!r}"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _digest(values: Mapping[str, Any]) -> str:
    """Hash of an analysis that has no file of its own."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=list)
    return hashlib.sha256(text.encode()).hexdigest()


def _spell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {word}" for key, word in value.items())
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
