"""The run archive: the only reader and writer of ``runs/``.

Layout of ``runs/<study>/`` (schema version 2)::

    archive.json              study, resolved plan, schema version
    tasks/<task>.json         description of the data set, hashes
    tasks/<task>.parquet      one row per case: case, patient, group, y_true, covariates
    tasks/<task>.splits.parquet   one row per case and split: repeat, fold, case, partition
    parts/<id>.parquet        case-level logits of the cells committed or compacted together
    parts/<id>.json           their records, and the checksum of the Parquet file
    failed/<cell>.json        why a cell failed
    backbones/<cell>.safetensors   trained backbones, where the plan keeps them
    SHA256SUMS                the seal, where there is one
    claims/                   what running processes have taken on

A part exists once its JSON file does, which is written last: a cell is there whole or
not at all. Every JSON file carries the checksum of its own content, and is damaged if
it is not byte for byte what was written.

``python -m stats_tl.archive`` verifies, seals, merges and compacts.
"""

from .reader import Archive, load
from .store import ArchiveWriter

__all__ = ["Archive", "ArchiveWriter", "load"]
