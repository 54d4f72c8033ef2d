"""What an archive says its numbers were computed with."""

import subprocess
from pathlib import Path

import numpy as np
import torch

import stats_tl
from stats_tl.train.machine import environment
from stats_tl.train.machine.environment import PACKAGES, describe_environment


def test_the_commit_is_that_of_the_checkout_that_holds_the_package():
    folder = Path(stats_tl.__file__).resolve().parents[1]
    expected = None
    if (folder / ".git").exists():
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        expected = answer.stdout.strip()
    found = describe_environment(torch.device("cpu"))["commit"]
    assert (found and found.removesuffix("-dirty")) == expected


def test_what_decodes_images_is_named_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package"))
    packages = describe_environment.__wrapped__(torch.device("cpu"))["packages"]
    assert packages == {"numpy": np.__version__, "no-such-package": None}
    assert {"pillow", "imagecodecs", "tifffile", "pydicom", "nibabel"} <= set(PACKAGES)
