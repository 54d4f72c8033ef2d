"""DICOM files as modalities write them, for tests of whatever reads them."""

from __future__ import annotations

import io

import numpy as np
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

NAME = "ROENTGEN^ANNA BERTHA"


def dataset_of(samples, *, photometric="MONOCHROME2", stored=None, patient="P-0815", **elements):
    """A data set with `samples`: (h, w), (h, w, 3), or (frames, h, w) with NumberOfFrames given."""
    colour = samples.ndim >= 3 and samples.shape[-1] == 3
    bits = samples.dtype.itemsize * 8
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID = NAME, patient
    data.StudyInstanceUID = f"1.2.826.0.1.{sum(map(ord, patient))}"
    data.Rows, data.Columns = samples.shape[-3:-1] if colour else samples.shape[-2:]
    data.SamplesPerPixel = 3 if colour else 1
    if colour:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = photometric
    data.BitsAllocated, data.BitsStored = bits, stored or bits
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(samples.dtype.kind == "i")
    for key, value in elements.items():
        setattr(data, key, value)
    data.PixelData = np.ascontiguousarray(samples).tobytes()
    if len(data.PixelData) % 2:
        data.PixelData += b"\0"
    data["PixelData"].VR = "OB" if bits == 8 else "OW"
    return data


def fill_header(dataset, n=140):
    """Give a data set `n` elements more, spread over what a scanner writes."""
    values = {
        "AE": "SCANNER", "AS": "033Y", "CS": "ORIGINAL", "DA": "20260101", "DS": "1.5",
        "FD": 1.5, "FL": 1.5, "IS": "3", "LO": "A text of some length", "LT": "text",
        "SH": "SHORT", "ST": "text", "TM": "120000", "UI": "1.2.840.113619.2.5", "UL": 1, "US": 7,
    }  # fmt: skip
    names = [
        (entry[4], values[entry[0]])
        for tag, entry in sorted(DicomDictionary.items())
        if tag >> 16 in (0x08, 0x10, 0x18, 0x20) and entry[0] in values and entry[1] == "1"
        if entry[4] and not entry[3] and entry[4] not in dataset
    ]
    for name, value in names[:: len(names) // n][:n]:
        setattr(dataset, name, value)


def written(data, *, preamble=True):
    """The bytes of a data set as a file."""
    buffer = io.BytesIO()
    if preamble:
        data.save_as(buffer, enforce_file_format=True)
    else:
        del data.file_meta
        data.save_as(buffer, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def dicom(samples, *, preamble=True, **elements):
    """The bytes of a DICOM file with `samples`."""
    return written(dataset_of(samples, **elements), preamble=preamble)


def lut(entries, first, bits):
    """An item of a modality or VOI LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, dtype="<u2").tobytes())
    return item


__all__ = [
    "NAME",
    "DeflatedExplicitVRLittleEndian",
    "dataset_of",
    "dicom",
    "fill_header",
    "lut",
    "written",
]
