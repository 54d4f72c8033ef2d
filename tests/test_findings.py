"""The scripts in findings/ have the form that its README asks for; CI does not run them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

FINDINGS = Path(__file__).resolve().parents[1] / "findings"
#: The script in the README is the pattern that all follow.
PATTERN = re.search(r"```bash\n(#!.*?)```", (FINDINGS / "README.md").read_text(), re.S)[1]
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in FINDINGS.glob("*.sh")}


def faults(script):
    """What a script lacks."""
    lines = script.splitlines()
    header = "\n".join(line for line in lines[1:40] if line.startswith("#")).lower()
    asked = {
        "#!/usr/bin/env bash or #!/bin/bash": re.match(
            r"#!(/usr/bin/env bash|/bin/bash|/bin/sh)", script
        ),
        "a version in its comment": re.search(r"\d+\.\d+", header),
        "the behaviour and what was seen in its comment": re.search(r"seen|output|prints", header),
        "set -e": re.search(r"^set -\w*e", script, re.M),
        "a temporary folder": "mktemp -d" in script,
        "a trap that removes it": re.search(r"^\s*trap .*EXIT", script, re.M),
        "pinned packages": re.search(r"==|@\d|=\d", "\n".join(lines)),
        "nothing of stats_tl": not re.search(r"^[^#\n]*(import|from|-m) stats_tl", script, re.M),
    }
    return [what for what, there in asked.items() if not there]


def test_the_pattern_has_no_faults_and_faults_are_seen():
    assert faults(PATTERN) == []
    assert "a trap that removes it" in faults(PATTERN.replace("trap", "echo"))
    assert "pinned packages" in faults(
        PATTERN.replace("==1.2.3", "").replace("example-package 1.2.3", "")
    )
    assert "nothing of stats_tl" in faults(PATTERN + "python -m stats_tl.report\n")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_the_form(name):
    assert faults(SCRIPTS[name]) == []
    assert os.access(FINDINGS / name, os.X_OK), "chmod +x"
    subprocess.run(["bash", "-n", str(FINDINGS / name)], check=True)
