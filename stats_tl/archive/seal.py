"""One digest over every file of an archive, which a paper can state and anybody can check.

The seal is ``SHA256SUMS``, a list of files and their SHA-256 in the format of coreutils'
``sha256sum``, so that ``sha256sum -c SHA256SUMS`` checks it where there is no stats_tl. The
digest of the archive is the SHA-256 of that list. A detached signature, where the user has
a key, lies beside it and is made by OpenSSH.
"""

from __future__ import annotations

__all__ = ["SEAL", "SIGNATURE", "Seal", "check_seal", "read_seal", "seal_archive"]

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArchiveDamagedError, UserError
from .files import checksum, read_bytes, write_atomically

SEAL, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
#: What a signature is for, so that it cannot be passed off as one of something else.
NAMESPACE = "stats_tl"
#: What is sealed; claims, files set aside and those being written are not.
_FOLDERS = ("tasks", "parts", "failed", "backbones")
_LINE = re.compile(r"([0-9a-f]{64})  ((?:archive\.json|(?:tasks|parts|failed|backbones)/[^/\n]+))")


@dataclass(frozen=True)
class Seal:
    """A seal and what has become of its files.

    Attributes
    ----------
    digest : str
        SHA-256 of the list, hexadecimal.
    files : int
        How many files it lists.
    changed, missing, added : tuple of str
        Files that differ from the list, are gone, or have come since.
    """

    digest: str
    files: int
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True if every file is what it was, and there are no others."""
        return not (self.changed or self.missing or self.added)

    def __str__(self) -> str:
        said = [
            f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for what, names in (
                ("changed", self.changed),
                ("missing", self.missing),
                ("added", self.added),
            )
            if names
        ]
        return f"{self.files} files" + (f"; {', '.join(said)}" if said else "")


def seal_archive(root: str | Path, *, key: Path | None = None) -> Seal:
    """Write the seal of an archive, which the caller has found sound, and sign it.

    Parameters
    ----------
    root : path-like
        Folder of the archive.
    key : Path, optional
        Private key of OpenSSH to sign with, by ``ssh-keygen -Y sign``.

    Raises
    ------
    UserError
        If the signature cannot be made; the seal is written all the same.
    """
    root = Path(root)
    lines = [f"{_digest(root / name)}  {name}\n" for name in _files(root)]
    data = "".join(lines).encode()
    (root / SIGNATURE).unlink(missing_ok=True)  # one of an older seal would be wrong
    write_atomically(root / SEAL, data)
    if key is not None:
        _sign(root / SEAL, key)
    return Seal(checksum(data), len(lines))


def read_seal(root: Path) -> dict[str, str] | None:
    """SHA-256 by file, as sealed; None where there is no seal.

    Raises
    ------
    ArchiveDamagedError
        If the list is none.
    """
    path = root / SEAL
    if not path.is_file():
        return None
    text = read_bytes(path).decode("utf-8", "replace")
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    listed = {match[2]: match[1] for match in found if match}
    if not found or len(listed) < len(found):
        raise ArchiveDamagedError(
            f"{path} is damaged: it is no list of the archive's files; seal the archive again "
            "(python -m stats_tl.archive seal) or remove the list"
        )
    return listed


def check_seal(root: str | Path) -> Seal | None:
    """Compare an archive with its seal; None where it has none.

    Raises
    ------
    ArchiveDamagedError
        If the seal itself is damaged.
    """
    root = Path(root)
    listed = read_seal(root)
    if listed is None:
        return None
    present = set(_files(root))
    both = sorted(present & set(listed))
    return Seal(
        checksum(read_bytes(root / SEAL)),
        len(listed),
        changed=tuple(name for name in both if _digest(root / name) != listed[name]),
        missing=tuple(sorted(set(listed) - present)),
        added=tuple(sorted(present - set(listed))),
    )


def _files(root: Path) -> Iterator[str]:
    """Files of an archive, relative to it, sorted."""
    if (root / "archive.json").is_file():
        yield "archive.json"
    for folder in sorted(_FOLDERS):
        for path in sorted((root / folder).glob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield f"{folder}/{path.name}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sign(path: Path, key: Path) -> None:
    tool = shutil.which("ssh-keygen")
    if tool is None:
        raise UserError(
            f"{path} was written, but not signed: ssh-keygen is not there; install OpenSSH, or "
            "sign the file with another tool"
        )
    command = [tool, "-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"{path} was written, but not signed: ssh-keygen: {reason}")
