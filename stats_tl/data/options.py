"""The ``options`` table of a task: what an adapter asks for, checked."""

from __future__ import annotations

__all__ = ["Option", "read_options"]

from dataclasses import dataclass
from typing import Any

from ..errors import UserError, suggest
from ..study.plan import Task


@dataclass(frozen=True)
class Option:
    """One key of a task's ``options`` table."""

    name: str
    kind: type | tuple[type, ...] = str
    default: Any = None
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


def read_options(task: Task, *allowed: Option) -> dict[str, Any]:
    """The task's options, checked, with defaults filled in.

    Parameters
    ----------
    task : Task
        Its ``options`` are read.
    *allowed : Option
        What the adapter knows.

    Returns
    -------
    dict
        One value for every allowed option.

    Raises
    ------
    UserError
        For an unknown option (with the nearest spelling), a wrong type, or a
        value outside the choices or the range.
    """
    where = f"task {task.name!r} (adapter {task.adapter!r})"
    known = {option.name: option for option in allowed}
    for key in task.options:
        if not known:
            raise UserError(f"{where}: takes no options, was given `{key}`; remove it")
        if key not in known:
            raise UserError(f"{where}: unknown option `{key}`; {suggest(key, known)}")
    values = {}
    for name, option in known.items():
        value: Any = task.options.get(name)
        if value is None:
            values[name] = option.default
            continue
        kinds = option.kind if isinstance(option.kind, tuple) else (option.kind,)
        if isinstance(value, int) and float in kinds and not isinstance(value, bool):
            value = float(value) if int not in kinds else value
        # bool is a subclass of int, and never what is meant by a number.
        if not any(isinstance(value, kind) for kind in kinds) or (
            isinstance(value, bool) and bool not in kinds
        ):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise UserError(f"{where}: `{name}` must be {expected}, was given {value!r}")
        if option.choices and value not in option.choices:
            raise UserError(f"{where}: `{name}` = {value!r}; {suggest(str(value), option.choices)}")
        if (option.low is not None and not value >= option.low) or (
            option.high is not None and not value <= option.high
        ):
            raise UserError(
                f"{where}: `{name}` must lie between {option.low} and {option.high}, "
                f"was given {value!r}"
            )
        values[name] = value
    return values
