"""Salted hashes in place of the identifiers of patients and cases.

A pseudonym is the HMAC-SHA256 of an identifier under a secret salt, cut to 20 hexadecimal
digits. The same identifier has the same pseudonym in every cell, task and study that uses
the salt; without the salt nobody can try out identifiers, which a plain hash of a short
number would allow. The salt is a file that is never archived: who loses it can continue no
run, who keeps it can find a patient again.
"""

from __future__ import annotations

__all__ = ["pseudonymize", "read_salt", "salt_check"]

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from dataclasses import replace
from pathlib import Path

from ..errors import UserError
from .dataset import Dataset

_DIGITS = 20
_SALT = re.compile(r"[0-9a-f]{64}")


def read_salt(path: Path, *, create: bool) -> bytes:
    """The salt in a file: 64 hexadecimal digits.

    Parameters
    ----------
    path : Path
    create : bool
        Draw a new salt where there is no file; readable by its owner only.

    Raises
    ------
    UserError
        If the file is no salt, cannot be read or written, or is missing without `create`.
    """
    try:
        if create and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Of two processes that begin together one writes; the other reads what it wrote.
            with contextlib.suppress(FileExistsError):
                aside = path.with_name(f".{path.name}.{os.getpid()}")
                descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_hex(32) + "\n")
                try:
                    os.link(aside, path)
                finally:
                    aside.unlink()
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise UserError(
            f"there is no salt at {path}, but the archive's identifiers were hashed with one; give "
            "the file with --salt. Without it this study cannot be continued"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot use the salt {path}: {reason}") from None
    if not _SALT.fullmatch(text):
        raise UserError(f"{path} is no salt: expected 64 hexadecimal digits")
    return bytes.fromhex(text)


def salt_check(salt: bytes) -> str:
    """What tells two salts apart and says nothing about either."""
    return hmac.new(salt, b"stats_tl salt", hashlib.sha256).hexdigest()[:_DIGITS]


def pseudonymize(dataset: Dataset, salt: bytes) -> Dataset:
    """The same data set with hashed cases, patients and groups; covariates stay as they are.

    Raises
    ------
    UserError
        If two cases get one pseudonym.
    """
    known: dict[str, str] = {}

    def pseudonym(text: str) -> str:
        if text not in known:
            digest = hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()
            known[text] = digest[:_DIGITS]
        return known[text]

    hashed = {
        name: dataset.cases[name].map(pseudonym).astype(object)
        for name in ("case", "patient", "group")
    }
    if len(set(known.values())) < len(known):
        raise UserError(f"task {dataset.name!r}: two identifiers have one hash; take another salt")
    return replace(dataset, cases=dataset.cases.assign(**hashed))
