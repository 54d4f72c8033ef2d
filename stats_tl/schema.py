"""Tables of a TOML file as models, and what is wrong with one in the user's words."""

from __future__ import annotations

__all__ = ["SparseTable", "Table", "explain"]

import json
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from .errors import suggest


class Table(BaseModel):
    """A table: no other keys than these, no value converted, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    #: Keys that came after the first archives, with the values those were made with. They are
    #: left out at these values: a plan that does not use them, and its cells, stay the same.
    younger: ClassVar[dict[str, Any]] = {}

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {
            key: value
            for key, value in serialize(self).items()
            if key not in self.younger or value != self.younger[key]
        }


class SparseTable(Table):
    """A table of which only what is given stays."""

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if value}


def explain(
    error: ValidationError, raw: Any, model: type[BaseModel], *, table: str | None = None
) -> Iterator[str]:
    """Every problem in a sentence: key, value, what is allowed, the nearest spelling.

    Parameters
    ----------
    error : ValidationError
    raw : mapping
        What was validated, as the file has it.
    model : type of BaseModel
        What it was validated as.
    table : str, optional
        The table that `raw` is, where it is not the whole file.
    """
    seen = set()
    problems = error.errors(include_url=False)
    for problem in problems:
        location, kind, context = problem["loc"], problem["type"], problem.get("ctx", {})
        if any(
            len(p["loc"]) > len(location) and p["loc"][: len(location)] == location
            for p in problems
        ):  # only a consequence of a problem further inside
            continue
        where = _spell(location, raw) if table is None else _spell((table, *location), {table: raw})
        if where in seen:  # the branches of a union report one by one
            continue
        seen.add(where)
        value = json.dumps(problem["input"], default=str, ensure_ascii=False)
        value = value if len(value) <= 80 else value[:77] + "..."
        if kind == "extra_forbidden":
            known = _keys_at(location[:-1], model)
            yield f"{where}: unknown key; {suggest(str(location[-1]), known)}"
        elif kind == "missing":
            yield f"{where}: missing; the plan needs it"
        elif kind == "literal_error":
            allowed = [word.strip("'") for word in _expected(context["expected"])]
            yield f"{where} = {value}: {suggest(str(problem['input']), allowed)}"
        elif kind == "value_error":
            yield f"{where} = {value}: {context['error']}"
        else:
            expected = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            number = "a number " if kind.startswith(("greater_than", "less_than")) else ""
            yield f"{where} = {value}: expected {number}{expected}"


def _expected(text: str) -> list[str]:
    return text.replace(" or ", ", ").split(", ")


def _spell(location: tuple[int | str, ...], raw: Any) -> str:
    """The place as in the TOML file: ``[cv] folds``, ``[[tasks]] 'busbra' path``."""
    table, rest = str(location[0]) if location else "plan", list(location[1:])
    value = raw.get(table) if isinstance(raw, dict) else None
    head = f"[{table}]"
    if rest and isinstance(rest[0], int):
        index = int(rest.pop(0))
        entry = value[index] if isinstance(value, list) and index < len(value) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        head = (
            f"[[{table}]] {name!r}" if isinstance(name, str) else f"[[{table}]] number {index + 1}"
        )
    return " ".join([head, *(str(key) for key in rest if _is_key(key))])


def _is_key(part: int | str) -> bool:
    """False for positions in a list, and for pydantic's names of the branches of a union."""
    return (
        isinstance(part, str)
        and part not in ("int", "str", "[key]")
        and not part.startswith(("constrained-", "literal[", "list[", "function-"))
    )


def _keys_at(location: tuple[int | str, ...], model: Any) -> Iterable[str]:
    """The keys that the table at `location` may have."""
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        models = [annotation, *getattr(annotation, "__args__", ())]
        model = next(m for m in models if isinstance(m, type) and issubclass(m, BaseModel))
    fields: Iterable[str] = model.model_fields
    return fields
