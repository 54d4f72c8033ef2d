"""Near-duplicates: found among strangers, and followed into groups."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stats_tl.data import across_partitions, audit, load_dataset
from stats_tl.data.audit import find_near_duplicates, merge_groups, perceptual_hash
from stats_tl.data.phantoms import draw_phantoms
from stats_tl.errors import UserError
from stats_tl.study.plan import Audit
from tests.data.conftest import encode, task


def brute_force(hashes, distance):
    n = len(hashes)
    return sorted(
        (int((hashes[i] ^ hashes[j]).sum()), i, j)
        for i in range(n)
        for j in range(i + 1, n)
        if (hashes[i] ^ hashes[j]).sum() <= distance
    )


@pytest.mark.parametrize("distance", [0, 4, 16, 32])
def test_pairs_equal_those_of_brute_force(monkeypatch, distance):
    monkeypatch.setattr(audit, "_BLOCK", 7)  # so that pairs cross blocks
    rng = np.random.default_rng(3)
    hashes = rng.random((40, 256)) < 0.5
    for row in range(20, 40):  # relatives at every distance, equal ones among them
        hashes[row] = hashes[row - 20] ^ (rng.random(256) < 0.005 * (row - 20))
    found = find_near_duplicates(hashes, distance)
    assert found[["distance", "i", "j"]].to_numpy().tolist() == [
        list(pair) for pair in brute_force(hashes, distance)
    ]
    assert len(found) > 0


def test_too_many_pairs_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(audit, "MAX_PAIRS", 10)
    with pytest.raises(UserError, match=r"blank.*hash_distance"):
        find_near_duplicates(np.zeros((6, 256), dtype=bool), 0)


def altered(image):
    """What happens to an image between two archives."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50)
    yield Image.open(buffer).convert("L")
    yield image.resize((60, 60), Image.Resampling.BILINEAR)
    yield image.point([int(255 * (v / 255) ** 0.8) for v in range(256)])
    marked = image.copy()
    for x, y in ((30, 40), (80, 40), (55, 20), (55, 70)):
        marked.paste(255, (x - 2, y, x + 3, y + 1))
        marked.paste(255, (x, y - 2, x + 1, y + 3))
    yield marked


def test_copies_are_close_and_strangers_far():
    phantoms = draw_phantoms("breast", n_patients=40, seed=1)
    first = np.unique(phantoms.patient, return_index=True)[1]
    images = [Image.fromarray(phantoms.images[i]) for i in first]
    hashes = np.array([perceptual_hash(image) for image in images])
    copies = [
        (perceptual_hash(copy) ^ hashes[k]).sum()
        for k, image in enumerate(images)
        for copy in altered(image)
    ]
    strangers = [d for d, *_ in brute_force(hashes, 256)]
    assert np.quantile(copies, 0.95) <= 16
    assert min(strangers) > 40


def test_hash_is_of_the_grey_image():
    grey = draw_phantoms("knee", n_patients=2, size=64).images[0]
    colour = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(
        perceptual_hash(Image.fromarray(grey)), perceptual_hash(Image.fromarray(colour))
    )


def test_groups_are_connected_components():
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 30, 80).astype(str)
    i, j = rng.integers(0, 80, (2, 12))
    groups = merge_groups(patients, i, j)
    # An independent implementation: spread labels until nothing changes.
    reach = (patients[:, None] == patients[None, :]).astype(int)
    reach[i, j] = reach[j, i] = 1
    for _ in range(8):
        reach = np.minimum(reach @ reach, 1)
    np.testing.assert_array_equal(groups[:, None] == groups[None, :], reach == 1)
    assert set(groups) <= set(patients)


def test_no_pairs_no_change():
    patients = np.array(["b", "a", "b"])
    none = np.empty(0, dtype=int)
    np.testing.assert_array_equal(merge_groups(patients, none, none), patients)


def test_across_partitions_per_split():
    pairs = pd.DataFrame({"case_a": ["a", "a"], "case_b": ["b", "c"]})
    cases = pd.Series(["a", "b", "c"])
    found = across_partitions(pairs, np.array([[0, 2, 0], [0, 0, -1], [1, 2, 0]]), cases)
    rows = found[["case_b", "split", "partition_a", "partition_b"]].to_numpy().tolist()
    assert rows == [["b", 0, 0, 2], ["b", 2, 1, 2], ["c", 2, 1, 0]]
    assert across_partitions(pairs, np.zeros(3, dtype=int), cases).empty


@pytest.fixture
def folder_with_copies(tmp_path, write):
    """Three patients a class; the first benign and malignant ones share an image."""
    phantoms = draw_phantoms("breast", n_patients=12, seed=2)
    first = np.unique(phantoms.patient, return_index=True)[1]
    for k in range(6):
        label = "malignant" if k >= 3 else "benign"
        write(f"d/{label}/p{k}_0.png", encode(phantoms.images[first[k]]))
    write("d/malignant/p5_1.jpg", encode(phantoms.images[first[0]], "JPEG", quality=90))
    return tmp_path / "d"


OPTIONS = {"patient_pattern": r"(p\d)_"}


def test_report_lists_pairs_and_leaves_patients_alone(folder_with_copies):
    data = load_dataset(
        task("folders", **OPTIONS), folder_with_copies, audit=Audit(hash_distance=16)
    )
    pairs = data.near_duplicates
    assert pairs[["case_a", "case_b", "same_patient", "same_label"]].to_numpy().tolist() == [
        ["benign/p0_0.png", "malignant/p5_1.jpg", False, False]
    ]
    assert (data.cases["group"] == data.cases["patient"]).all()


def test_group_merges_the_patients(folder_with_copies):
    data = load_dataset(
        task("folders", **OPTIONS),
        folder_with_copies,
        audit=Audit(near_duplicates="group", hash_distance=16),
    )
    groups = data.cases.set_index("case")["group"]
    assert groups["malignant/p5_0.png"] == groups["malignant/p5_1.jpg"] == "p0"
    assert groups.nunique() == 5
    assert data.cases["patient"].nunique() == 6


def test_ignore_reads_no_image(folder_with_copies, write):
    write("d/benign/p1_0.png", "damaged")
    data = load_dataset(
        task("folders", **OPTIONS), folder_with_copies, audit=Audit(near_duplicates="ignore")
    )
    assert data.near_duplicates.empty


def test_bus_bra_has_no_pair_of_two_patients(shared):
    path = shared / "data/busbra/busbra_sq256_jpg.zip"
    data = load_dataset(task("busbra"), path, audit=Audit(hash_distance=32))
    pairs = data.near_duplicates
    # The two images of patient 526 are halves of one double view.
    assert pairs[["case_a", "case_b"]].to_numpy().tolist() == [["bus_0526-l", "bus_0526-r"]]
    assert pairs["same_patient"].all()
