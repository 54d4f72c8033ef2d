"""Reading TOML that may come from others: whatever is wrong with it, one sentence."""

from __future__ import annotations

__all__ = ["parse_toml", "read_toml"]

import sys
import tomllib
from pathlib import Path
from typing import Any

from .errors import UserError


def read_toml(path: Path, what: str) -> tuple[dict[str, Any], bytes]:
    """The tables of a TOML file, and its bytes; `what` it is stands in the error message.

    Raises
    ------
    UserError
        If the file cannot be read, or as :func:`parse_toml`.
    """
    try:
        data = path.read_bytes()
        # Windows' editors begin a file with a byte order mark, which TOML does not know.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read {what} {path}: {error.strerror}") from None
    return parse_toml(text, path), data


def parse_toml(text: str, source: object) -> dict[str, Any]:
    """The tables of a TOML text; `source` opens the error message.

    Raises
    ------
    UserError
        If the text is not TOML, nests too deeply, or holds a number that no plan needs.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{source}: not valid TOML: {error}") from None
    except RecursionError:
        raise UserError(f"{source}: not valid TOML: arrays or tables nest too deeply") from None
    except ValueError:  # Python reads no longer integer, for that takes quadratic time
        digits = sys.get_int_max_str_digits()
        raise UserError(
            f"{source}: not valid TOML: an integer of more than {digits:,} digits"
        ) from None
