"""What the analysis was planned to be: the ``[analysis]`` table of a plan, and departures from it.

Read here, not in :mod:`stats_tl.study`, because predictions made elsewhere have an
analysis plan but no study.
"""

from __future__ import annotations

__all__ = ["CORRECTIONS", "AnalysisOptions", "read_analysis_plan"]

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...analysis_plan import CORRECTIONS, Analysis, AnalysisFile
from ...errors import UserError
from ...schema import explain
from ...toml import read_toml


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
        Differences of the metric within ± margin do not matter; None: no test of equivalence.
    metric : tuple of str
        What is compared, as :func:`~stats_tl.metric_names.parse_metric` reads it, the primary
        metric first; none: the AUC.
    correction : str
        Adjustment for several comparisons, one of :data:`CORRECTIONS`.
    primary : dict of str to str
        Keys of the primary comparison; the others are then secondary.
    families : tuple of str
        Keys of a setting (task, backbone, …) within whose values p values are adjusted; none:
        all secondary comparisons are one family.
    subgroups : tuple of str or None
        Covariates whose subgroups are compared; None: nothing was said.
    target_sensitivity : float or None
        Sensitivity on the tuning cases at which the threshold of the operating points is
        set; None: at the largest Youden index.
    threshold : float or None
        Scores that reach it are called positive, in place of thresholds set on tuning cases; of
        the predicted risk where scores are logits, as in an archive.
    clinical_table : bool
        Whether clinical metrics are compared.
    prevalence : float or None
        At which predictive values are given beside those of the sample.
    net_benefit_thresholds : tuple of float or None
        Thresholds of risk at which the net benefit is given.
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
    metric: tuple[str, ...] = ()
    correction: str = "holm"
    primary: Mapping[str, str] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    subgroups: tuple[str, ...] | None = None
    target_sensitivity: float | None = None
    threshold: float | None = None
    clinical_table: bool = True
    prevalence: float | None = None
    net_benefit_thresholds: tuple[float, ...] | None = None
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
        if problems := _problems(analysis):
            listed = "\n".join(f"  - [analysis] {problem}" for problem in problems)
            raise UserError(f"{source} is not a valid analysis plan:\n{listed}")
        given = {key: _frozen(key, value) for key, value in analysis.items() if value is not None}
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
        changes = {key: _frozen(key, value) for key, value in changes.items() if value is not None}
        if problems := _problems(changes):
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
_DEFAULTS = {key: field.default for key, field in Analysis.model_fields.items()}


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


def _problems(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with an ``[analysis]`` table, or with some keys of one."""
    given = {key: value for key, value in values.items() if value is not None}
    try:
        # Through JSON, as a whole plan is: strict, and what TOML alone knows becomes text.
        AnalysisFile.model_validate_json(json.dumps(given, default=str))
    except ValidationError as error:
        problems = explain(error, given, AnalysisFile, table="analysis")
        return [problem.removeprefix("[analysis] ") for problem in problems]
    except (RecursionError, ValueError) as error:
        return [str(error)]
    return []


def _frozen(key: str, value: Any) -> Any:
    if key == "metric" and isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _digest(values: Mapping[str, Any]) -> str:
    """Hash of an analysis that has no file of its own."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=list)
    return hashlib.sha256(text.encode()).hexdigest()


def _spell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {word}" for key, word in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(_spell, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
