"""Which files of a folder are images; those that are not are named, never left out in silence."""

from __future__ import annotations

__all__ = ["dicom_among", "images_among", "patients_by_identifier"]

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from .files import Store
from .formats import DICOM_SUFFIXES, HEAD_BYTES, SUFFIXES, UnreadableImageError, recognise
from .problems import Problems

#: Elements of a DICOM header that say whose an image is.
IDENTIFIERS = ("PatientID", "StudyInstanceUID")
# DICOM files are often named by a number or an identifier, 1.2.840.….5: no suffix.
_NO_SUFFIX = re.compile(r"(\.\d*)?")


def images_among(store: Store, names: Iterable[str], problems: Problems) -> list[str]:
    """The images among `names`; all other files become `problems`, by their folder.

    A file is an image by its suffix or, if it has none, by its first bytes.
    """
    images = []
    for name in names:
        if name.lower().endswith(SUFFIXES) or _kind_without_suffix(store, name):
            images.append(name)
        else:
            folder = name.split("/", 1)[0]
            problems.add(f"files in {folder!r} that are no images", name)
    return images


def dicom_among(store: Store, names: Iterable[str]) -> list[str]:
    """The names of DICOM files: by their suffix or, where they have none, by their first bytes."""
    return [
        name
        for name in names
        if name.lower().endswith(DICOM_SUFFIXES) or _kind_without_suffix(store, name) == "dicom"
    ]


def _kind_without_suffix(store: Store, name: str) -> str | None:
    """What a file without suffix is by its first bytes; None for one that has a suffix."""
    if not _NO_SUFFIX.fullmatch(PurePosixPath(name).suffix) or store.size(name) is None:
        return None
    return recognise(store.head(name, HEAD_BYTES))


def patients_by_identifier(
    store: Store, names: Sequence[str], identifier: str, where: str
) -> list[str]:
    """The patient of every file, as its DICOM header names it.

    Parameters
    ----------
    store : Store
    names : sequence of str
    identifier : {'PatientID', 'StudyInstanceUID'}
        Nothing else of the header is read.
    where : str
        Opens the errors.

    Raises
    ------
    UserError
        Naming the files that are no DICOM files, or lack the element.
    """
    from .formats.dicom import read_identifier

    problems = Problems(where)
    patients = []
    for name in names:
        patient = ""
        try:
            if store.size(name) is None:
                problems.add("missing files", name)
            elif recognise(store.head(name, HEAD_BYTES)) != "dicom":
                problems.add("files that are no DICOM files", name)
            else:
                with store.open(name) as file:
                    patient = read_identifier(file, identifier)
                if not patient:
                    problems.add(f"files without {identifier}", name)
        except UnreadableImageError as error:
            problems.add("unreadable images", f"{name}: {error}")
        patients.append(patient)
    problems.raise_if_any(
        "Name the patients another way (`patient_pattern`, a column), or take these files out."
    )
    return patients
