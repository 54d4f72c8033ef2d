"""Near-duplicate images, found by a perceptual hash.

An image that stands twice in a data set, with other calipers or another compression,
may end up on both sides of a split, and its label is then known beforehand: of BUSI's
780 images 118 pairs are near-duplicates, and 95 of these straddle the folds that were
published for it.

The hash has 256 bits, one for each of 16 x 16 blocks: is the block brighter, by more
than one grey level, than the mean of the 5 x 5 blocks around it? The comparison with the
surroundings ignores gain and slow shading; the grey level keeps flat, noisy regions from
flipping bits. On BUS-BRA (1,875 images) recompression, halved resolution, another gamma,
calipers and text move it by at most 15 bits, trimming 2 % at each edge by 20 (median);
the closest images of two patients differ by 46, and the few pairs nearer than that are
views of one lesion. A difference hash leaves the same images closer to strangers (22
against 48 bits), a DCT hash mistakes calipers and text for another image (68 against 76).

It finds copies, not the same lesion from another side: an audit without findings does not
prove that patients are apart.
"""

from __future__ import annotations

__all__ = ["across_partitions", "find_near_duplicates", "merge_groups", "perceptual_hash"]

import numpy as np
import pandas as pd
from PIL import Image

from ..errors import UserError
from .images import resize

SIDE = 16
MAX_PAIRS = 1_000_000
_RADIUS = 2
_BLOCK = 1024


def perceptual_hash(image: Image.Image) -> np.ndarray:
    """256 bits of what an image shows.

    Parameters
    ----------
    image : PIL.Image.Image
        Any size.

    Returns
    -------
    ndarray of bool, shape (256,)

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> ramp = Image.fromarray(np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8))
    >>> half = ramp.resize((32, 32))
    >>> int(np.sum(perceptual_hash(ramp) != perceptual_hash(half))) <= 4
    True
    """
    blocks = resize(image.convert("L"), SIDE).astype(np.int64)
    width = 2 * _RADIUS + 1
    padded = np.pad(blocks, _RADIUS, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (width, width))
    # Integers throughout, so that no platform rounds a bit the other way.
    brighter: np.ndarray = width * width * (blocks - 1) > windows.sum(axis=(2, 3))
    return brighter.ravel()


def find_near_duplicates(hashes: np.ndarray, distance: int) -> pd.DataFrame:
    """All pairs of hashes that differ by at most `distance` bits.

    Parameters
    ----------
    hashes : ndarray of bool, shape (n, bits)
    distance : int
        Hamming distance; 0 finds equal hashes only.

    Returns
    -------
    DataFrame
        Columns ``i < j`` (positions) and ``distance``, sorted by distance, then position.

    Raises
    ------
    UserError
        If there are more than a million pairs: then most images are blank or one and the
        same, and a list of pairs is no answer.

    Notes
    -----
    With bits as ±1, the Hamming distance is (bits − ⟨u, v⟩) / 2, so a block of rows is
    compared with all others in one matrix product: seconds for 20,000 images, in memory
    that grows with n, not n².

    Examples
    --------
    >>> import numpy as np
    >>> bits = np.zeros((3, 256), dtype=bool)
    >>> bits[1, :2] = True
    >>> bits[2, :90] = True
    >>> find_near_duplicates(bits, 4)
       i  j  distance
    0  0  1         2
    """
    n, bits = hashes.shape
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    found = [np.empty((0, 3), dtype=np.int64)]
    total = 0
    for start in range(0, n, _BLOCK):
        inner = signs[start : start + _BLOCK] @ signs[start:].T
        rows, columns = np.nonzero(inner >= bits - 2 * distance)
        upper = columns > rows
        rows, columns = rows[upper], columns[upper]
        apart = ((bits - inner[rows, columns]) / 2).astype(np.int64)
        found.append(np.column_stack([rows + start, columns + start, apart]))
        total += len(rows)
        if total > MAX_PAIRS:
            raise UserError(
                f"more than {MAX_PAIRS:,} pairs of images hardly differ (are many of them blank?); "
                "lower `hash_distance` in [audit], or set near_duplicates = 'ignore'"
            )
    pairs = pd.DataFrame(np.concatenate(found), columns=["i", "j", "distance"])
    return pairs.sort_values(["distance", "i", "j"], ignore_index=True)


def across_partitions(
    pairs: pd.DataFrame, partitions: np.ndarray, cases: pd.Series
) -> pd.DataFrame:
    """The near-duplicate pairs that a split puts on two sides.

    Parameters
    ----------
    pairs : DataFrame
        :attr:`stats_tl.data.Dataset.near_duplicates`.
    partitions : ndarray of int, shape (n,) or (splits, n)
        The side of every case; negative means unused.
    cases : Series of str, length n
        The case ids, in the order of `partitions`.

    Returns
    -------
    DataFrame
        The rows of `pairs` that straddle, once for every split, with the columns
        ``split``, ``partition_a`` and ``partition_b`` added.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> pairs = pd.DataFrame({"case_a": ["x", "x"], "case_b": ["y", "z"], "distance": [1, 2]})
    >>> across_partitions(pairs, np.array([0, 0, 2]), pd.Series(["x", "y", "z"]))
      case_a case_b  distance  split  partition_a  partition_b
    0      x      z         2      0            0            2
    """
    position = pd.Series(np.arange(len(cases)), index=cases.to_numpy())
    a = position.loc[pairs["case_a"]].to_numpy(dtype=np.int64)
    b = position.loc[pairs["case_b"]].to_numpy(dtype=np.int64)
    tables: list[pd.DataFrame] = []
    for split, sides in enumerate(np.atleast_2d(partitions)):
        straddling = (sides[a] != sides[b]) & (sides[a] >= 0) & (sides[b] >= 0)
        tables.append(
            pairs[straddling].assign(
                split=split, partition_a=sides[a][straddling], partition_b=sides[b][straddling]
            )
        )
    straddling_pairs: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return straddling_pairs


def merge_groups(patients: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Patients joined by the pairs (i, j) become one group, named after its first patient.

    Parameters
    ----------
    patients : ndarray of str, shape (n,)
    i, j : ndarray of int, shape (pairs,)
        Positions of the cases that belong together.

    Returns
    -------
    ndarray of str, shape (n,)
        The connected components.

    Examples
    --------
    >>> import numpy as np
    >>> merge_groups(np.array(["p", "q", "r", "s"]), np.array([1]), np.array([3])).tolist()
    ['p', 'q', 'r', 'q']
    """
    names, codes = np.unique(patients, return_inverse=True)
    parent = list(range(len(names)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for first, second in zip(codes[i].tolist(), codes[j].tolist(), strict=True):
        a, b = root(first), root(second)
        parent[max(a, b)] = min(a, b)
    merged: np.ndarray = names[[root(code) for code in codes.tolist()]]
    return merged
