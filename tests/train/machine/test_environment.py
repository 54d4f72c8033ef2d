"""What an archive says its numbers were computed with."""

import subprocess
from pathlib import Path

import torch

import stats_tl
from stats_tl.train.machine.environment import describe_environment


def test_the_commit_is_that_of_the_checkout_that_holds_the_package():
    folder = Path(stats_tl.__file__).resolve().parents[1]
    expected = None
    if (folder / ".git").exists():
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        expected = answer.stdout.strip()
    found = describe_environment(torch.device("cpu"))["commit"]
    assert (found and found.removesuffix("-dirty")) == expected
