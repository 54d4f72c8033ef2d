"""Reading TOML that may come from others, whatever is wrong with it in one sentence; writing it."""

from __future__ import annotations

__all__ = ["read_toml", "toml_value"]

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from .errors import UserError

#: TOML files are written by hand; anything larger is a mistake or an attack.
MAX_BYTES = 4 * 2**20
#: Arrays and tables within each other, and parts of a dotted key: no plan comes near.
MAX_DEPTH = 32
#: TOML asks for integers of 64 bits, with sign, and no more.
_INTEGERS = range(-(2**63), 2**63)
_KEY_PARTS = re.compile(r"[\w-]++|\"[^\"]*+\"|'[^']*+'|[ \t]++|.")


def read_toml(path: Path, what: str) -> tuple[dict[str, Any], bytes]:
    """The tables of a TOML file, and its bytes; `what` it is stands in the error message.

    Raises
    ------
    UserError
        If the file cannot be read, is too large or not TOML, nests too deeply, or holds an
        integer of more than 64 bits.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; is this a TOML file?")
        # Windows' editors begin a file with a byte order mark, which TOML does not know.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8 ({error.reason})") from None
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {what} {path}: {reason}") from None
    return _parse(text, path), data


def _parse(text: str, source: object) -> dict[str, Any]:
    """The tables of a TOML text; `source` opens the error message."""
    deep = f"{source}: not valid TOML: arrays or tables nest too deeply, more than {MAX_DEPTH} deep"
    if _has_deep_key(text):
        raise UserError(deep)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{source}: not valid TOML: {error}") from None
    except RecursionError:
        raise UserError(deep) from None
    except ValueError:  # Python reads no integer of 4,300 digits, for that takes quadratic time
        raise UserError(_too_long(source, "")) from None
    level = list(tables.items())
    for _ in range(MAX_DEPTH):
        for key, value in level:
            if isinstance(value, int) and value not in _INTEGERS:
                raise UserError(_too_long(source, f" ({key})"))
        level = [pair for key, value in level for pair in _inside(key, value)]
    if level:
        raise UserError(deep)
    return tables


def _inside(key: str, value: Any) -> list[tuple[str, Any]]:
    """What a table or an array holds, under its keys or that of the array."""
    if isinstance(value, dict):
        return list(value.items())
    return [(key, inner) for inner in value] if isinstance(value, list) else []


def _too_long(source: object, where: str) -> str:
    return f"{source}: not valid TOML: an integer of more than 64 bits{where}"


def _has_deep_key(text: str) -> bool:
    """Whether a dotted key has too many parts: tomllib takes quadratic time for such a key."""
    for line in text.splitlines():
        dots = 0
        if line.count(".") > MAX_DEPTH:
            before = "."
            for token in _KEY_PARTS.findall(line):
                if token == "#" or dots > MAX_DEPTH:
                    break
                if token.isspace():
                    continue
                if token == "." and before != ".":
                    dots += 1
                elif token == "." or before != ".":
                    dots = 0
                before = token
        if dots > MAX_DEPTH:
            return True
    return False


def toml_value(value: Any) -> str:
    r"""A value as TOML in one line, a table as an inline one.

    Parameters
    ----------
    value : str, bool, int, float, list or dict
        As :func:`read_toml` gives it.

    Examples
    --------
    >>> print(toml_value({"positive": "cancer", "skip": r"_mask\.png$", "a b": [1, True]}))
    { positive = "cancer", skip = '_mask\.png$', "a b" = [1, true] }
    """
    if isinstance(value, dict):
        inner = ", ".join(f"{_toml_key(key)} = {toml_value(own)}" for key, own in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str) and "\\" in value and "'" not in value and value.isprintable():
        return f"'{value}'"  # regular expressions and Windows' paths, as they are
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
