"""Masks and other files that look like data: found, and left out by the line that is said."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stats_tl.data import load_dataset
from stats_tl.data.oddities import find_oddities, skip_pattern, unlisted_images
from stats_tl.study.plan import Audit
from tests.data.conftest import encode, task


def scan(seed, size=(60, 48), colour=False):
    """A smooth picture with noise; every seed another one."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(30, 220, (6, 6), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)).astype(int)
    grey = np.clip(grey + generator.integers(-9, 10, grey.shape), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2) if colour else grey


def mask(seed, size=(60, 48)):
    image = Image.new("L", size)
    x, y = np.random.default_rng(seed).integers(5, 25, 2).tolist()
    ImageDraw.Draw(image).ellipse((x, y, x + 20, y + 18), fill=255)
    return np.asarray(image)


@pytest.fixture
def lesions(write, tmp_path):
    """Ten images in each of two classes."""
    for number in range(10):
        write(f"d/benign/benign ({number}).png", encode(scan(number)))
        write(f"d/malignant/malignant ({number}).png", encode(scan(100 + number)))
    return tmp_path / "d"


def look(path, adapter="folders", audit=None, **options):
    own = task(adapter, **options)
    dataset = load_dataset(own, path, audit=audit or Audit())
    return dataset, find_oddities(dataset, own)


def test_a_clean_folder_has_none(lesions):
    assert look(lesions, positive="malignant")[1] == []


def test_masks_beside_the_images_are_counted_by_class_and_left_out_by_the_line(lesions, write):
    for number in range(10):
        write(f"d/benign/benign ({number})_mask.png", encode(mask(number)))
    for number in range(4):
        write(f"d/malignant/malignant ({number})_mask.png", encode(mask(number)))
    dataset, (masks,) = look(lesions, positive="malignant")
    assert len(dataset) == 34
    assert (masks.positive, masks.negative) == (4, 10)
    assert "'benign/benign (0)_mask.png'" in str(masks)
    assert 'skip = "_mask" in the task\'s options' in str(masks)
    clean, none = look(lesions, positive="malignant", skip=masks.skip)
    assert (len(clean), none) == (20, [])
    assert {reason: len(own) for reason, own in clean.left_out.items()} == {"matching `skip`": 14}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_masks_are_known_by_their_pixels(lesions, write, kind):
    """JPEG leaves grey around the edges; the name says nothing."""
    suffix = {"PNG": "png", "JPEG": "jpg"}[kind]
    for number in range(6):
        write(f"d/benign/outline{number}x.{suffix}", encode(mask(number), kind))
    _, (masks,) = look(lesions, positive="malignant")
    assert (masks.positive, masks.negative) == (0, 6)
    assert "segmentation masks" in masks.what


def test_a_label_map_of_few_levels_is_a_mask(lesions, write):
    write("d/benign/map.png", encode(mask(3) // 255 * 2))
    _, (masks,) = look(lesions, positive="malignant")
    assert masks.names == ("benign/map.png",)


def test_a_class_called_mask_and_a_data_set_of_silhouettes_are_not_odd(write, tmp_path):
    for number in range(10):
        write(f"d/mask/{number}.png", encode(mask(number)))
        write(f"d/no mask/{number}.png", encode(mask(50 + number)))
    oddities = look(tmp_path / "d", positive="mask", audit=Audit(near_duplicates="ignore"))[1]
    assert oddities == []


def test_drawings_thumbnails_sizes_and_blank_pages(lesions, write):
    drawn = Image.fromarray(scan(0, colour=True))
    ImageDraw.Draw(drawn).rectangle((20, 20, 30, 30), outline=(255, 0, 0))
    write("d/benign/with box.png", encode(np.asarray(drawn)))
    write("d/malignant/thumbs/malignant (3).png", encode(scan(103, (30, 24))))
    write("d/malignant/large.png", encode(scan(200, (600, 480))))
    write("d/benign/empty.png", encode(np.full((48, 60), 7, np.uint8)))
    _, found = look(lesions, positive="malignant")
    assert [own.names for own in found] == [
        ("benign/with box.png",),
        ("malignant/thumbs/malignant (3).png",),
        ("malignant/large.png",),
        ("benign/empty.png",),
    ]
    assert "usual 60 × 48 pixels" in found[2].what
    _, none = look(lesions, positive="malignant", skip="|".join(own.skip for own in found))
    assert none == []


@pytest.mark.parametrize("near_duplicates", ["report", "ignore"])
def test_one_image_in_two_classes(lesions, write, near_duplicates):
    """To the bit whatever is looked for; recompressed, where near-duplicates are."""
    write("d/malignant/copy.png", encode(scan(4)))
    write("d/benign/again.jpg", encode(scan(107), "JPEG", quality=80))
    _, (both,) = look(lesions, positive="malignant", audit=Audit(near_duplicates=near_duplicates))
    exact = {"benign/benign (4).png", "malignant/copy.png"}
    near = {"benign/again.jpg", "malignant/malignant (7).png"}
    assert set(both.names) == (exact | near if near_duplicates == "report" else exact)
    assert "one of the labels is wrong" in str(both)


def test_rows_of_a_table_are_left_out_by_skip(write, tmp_path):
    rows = ["path,label"]
    for number in range(12):
        write(f"t/images/{number}.png", encode(scan(number)))
        rows.append(f"images/{number}.png,{number % 2}")
        if number < 5:
            write(f"t/images/{number}_seg.png", encode(mask(number)))
            rows.append(f"images/{number}_seg.png,{number % 2}")
    write("t/images/forgotten.png", encode(scan(99)))
    table = write("t/cases.csv", "\n".join(rows))
    dataset, (masks,) = look(table, "csv")
    assert (masks.positive, masks.negative) == (2, 3)
    assert unlisted_images(dataset) == ["images/forgotten.png"]
    clean, none = look(table, "csv", skip=masks.skip)
    assert (len(clean), none) == (12, [])
    assert unlisted_images(clean) == ["images/forgotten.png"]


def test_what_counts_as_no_case_is_named_with_the_reason(lesions, write):
    write("d/benign/._benign (1).png", b"\0\5\x16\7")
    write("d/poster.png", encode(scan(5)))
    write("d/normal/a.png", encode(scan(6)))
    dataset, oddities = look(lesions, positive="malignant", negative="benign", exclude="normal")
    assert oddities == []
    assert dataset.left_out == {
        "hidden files": ("benign/._benign (1).png",),
        "beside the class folders": ("poster.png",),
        "of classes that the plan leaves out": ("normal/a.png",),
    }


@pytest.mark.parametrize(
    ("odd", "others", "pattern"),
    [
        (["a/1-seg.png", "a/2_Seg.png"], {"a/1.png"}, "-seg|_Seg"),
        (["a/roi/1.png", "b/roi/1.png"], {"a/1.png"}, "(?:^|/)roi/"),
        (["a/1 GS.png", "b/7 GS.png"], {"a/1.png"}, r" GS\.png$"),
        (["a/x(1).png"], {"a/x(2).png"}, r"^(?:a/x\(1\)\.png)$"),
        (["a/mask1.png"], {"a/mask12.png"}, r"^(?:a/mask1\.png)$"),
        ([f"a/{n}.png" for n in range(60)], {"a/99.png"}, ""),
    ],
)
def test_a_pattern_fits_those_and_no_others(odd, others, pattern):
    assert skip_pattern(odd, others) == pattern
