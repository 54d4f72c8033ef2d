"""Changes to an archive as a script or a well-meaning hand makes them: checksums computed again."""

import shutil

import pandas as pd

from benchmarks.archive_scale import plan_of, write_archive
from stats_tl.archive.files import checksum, parquet_bytes, read_sealed, write_sealed
from stats_tl.archive.schema import scores_digests
from stats_tl.study.digests import labels_digest

N_CASES = 60


def write_sound(root, cells=40):
    """An archive in which nothing contradicts anything: two repeats of five folds."""
    write_archive(root, plan_of(cells), N_CASES)
    return root


def copy_of(root, folder):
    shutil.copytree(root, folder / root.name)
    return folder / root.name


def part_paths(root):
    return sorted((root / "parts").glob("*.json"))


def change_scores(root, change):
    """Replace the scores of every part by ``change(frame)``, and every hash that names them."""
    for path in part_paths(root):
        frame = change(pd.read_parquet(path.with_suffix(".parquet")))
        digests = scores_digests(frame)
        data = parquet_bytes(frame)
        path.with_suffix(".parquet").write_bytes(data)
        part = read_sealed(path)
        part["scores"]["sha256"] = checksum(data)
        for cell in part["cells"]:
            cell["scores_sha256"] = digests.get(cell["cell_id"], "0" * 64)
        write_sealed(path, part, large=True)


def change_records(root, change):
    """Apply ``change(cell, part)`` to every record."""
    for path in part_paths(root):
        part = read_sealed(path)
        for cell in part["cells"]:
            change(cell, part)
        write_sealed(path, part, large=True)


def change_table(root, suffix, change, *, labels=False):
    """Replace a table of the data set, and its checksum; with `labels` their hash, too."""
    path = root / "tasks" / "t.json"
    description = read_sealed(path)
    name = f"t{suffix}.parquet"
    frame = change(pd.read_parquet(path.with_name(name)))
    data = parquet_bytes(frame)
    path.with_name(name).write_bytes(data)
    description["files"][name] = checksum(data)
    if labels:
        description["labels_sha256"] = labels_digest(
            frame["case"], frame["patient"], frame["y_true"]
        )
    write_sealed(path, description)
