"""The seal of an archive: one digest, checked by us and by coreutils."""

import shutil
import subprocess

import pandas as pd
import pytest

from benchmarks.damage import quiet
from stats_tl import report
from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.__main__ import main
from stats_tl.archive.files import checksum, read_sealed, write_sealed
from stats_tl.archive.seal import SEAL, SIGNATURE, check_seal
from stats_tl.study.cells import plan_cells

from .tampering import copy_of, write_sound

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="signs with OpenSSH's ssh-keygen"
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_sound(tmp_path_factory.mktemp("sound") / "scale", cells=20)


@pytest.fixture
def root(sound, tmp_path):
    return copy_of(sound, tmp_path)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def change_analysis(root):
    """A plan that asks for the same cells and another analysis: nothing else shows it."""
    path = root / "archive.json"
    header = read_sealed(path)
    header["plan"]["analysis"]["margin"] = 0.05
    write_sealed(path, header)


class TestSeal:
    def test_coreutils_agrees(self, root):
        code, said = quiet(main, "seal", root)
        assert code == 0
        digest = checksum((root / SEAL).read_bytes())
        assert digest in said
        sums = subprocess.run(
            ["sha256sum", "--strict", "-c", SEAL], cwd=root, capture_output=True, text=True
        )
        assert sums.returncode == 0
        own = [path for path in root.rglob("*") if path.is_file() and path.name != SEAL]
        assert len(sums.stdout.splitlines()) == len(own) == check_seal(root).files
        assert quiet(main, "seal", root, "--check", digest)[0] == 0
        assert quiet(main, "verify", root)[0] == 0

    def test_the_digest_is_that_of_the_files_alone(self, sound, root, tmp_path):
        other = copy_of(sound, tmp_path / "elsewhere")
        for folder in (root, other):
            quiet(main, "seal", folder)
        assert (root / SEAL).read_bytes() == (other / SEAL).read_bytes()

    def test_what_only_a_seal_can_see(self, root):
        change_analysis(root)
        assert quiet(main, "verify", root)[0] == 0
        quiet(main, "seal", root)
        header = read_sealed(root / "archive.json")
        header["plan"]["analysis"]["margin"] = 0.5
        write_sealed(root / "archive.json", header)
        for command in (("verify", root), ("seal", root, "--check")):
            code, said = quiet(main, *command)
            assert code == 3
            assert "1 changed (archive.json)" in said
            assert "seal it again" in said

    def test_files_that_have_come_and_gone(self, root, tmp_path):
        quiet(main, "seal", root)
        cell = plan_cells_of(root)[0]
        ArchiveWriter(root).record_failure({"cell_id": cell.cell_id}, "out of memory", "log")
        part = next((root / "parts").glob("*.parquet"))
        part.rename(tmp_path / part.name)
        seal = check_seal(root)
        assert seal.added == (f"failed/{cell.cell_id}.json",)
        assert seal.missing == (f"parts/{part.name}",)
        assert not seal.holds

    def test_another_digest_than_that_of_the_paper(self, root):
        quiet(main, "seal", root)
        code, said = quiet(main, "seal", root, "--check", "0" * 64)
        assert code == 3
        assert "expected " + "0" * 64 in said

    def test_no_seal(self, root):
        code, said = quiet(main, "seal", root, "--check")
        assert code == 2
        assert "is not sealed" in said

    @pytest.mark.parametrize("text", ["", "no list\n", "0" * 64 + "  ../elsewhere\n"])
    def test_a_seal_that_is_none(self, root, text):
        (root / SEAL).write_text(text)
        for command in (("verify", root), ("seal", root, "--check")):
            code, said = quiet(main, *command)
            assert code == 3
            assert "it is no list of the archive's files" in said

    def test_contradictions_are_not_sealed(self, root):
        header = read_sealed(root / "archive.json")
        header["plan"]["cv"]["folds"] = 4
        write_sealed(root / "archive.json", header)
        code, said = quiet(main, "seal", root)
        assert code == 3
        assert "does not ask for" in said
        assert not (root / SEAL).exists()

    def test_the_report_states_it(self, root, tmp_path):
        out = tmp_path / "out"
        arguments = ("--runs", root, "--out", out, "--format", "csv")
        quiet(main, "seal", root)
        assert quiet(report.main, *arguments)[0] == 0
        facts = pd.read_csv(out / "tables/reproducibility.csv").set_index("item")["value"]
        assert facts["seal (SHA-256 of SHA256SUMS)"] == load(root).seal.digest
        change_analysis(root)
        code, said = quiet(report.main, *arguments)
        assert code == 0
        assert "the seal" in said
        facts = pd.read_csv(out / "tables/reproducibility.csv").set_index("item")["value"]
        assert "no longer holds" in facts["seal (SHA-256 of SHA256SUMS)"]


def plan_cells_of(root):
    from stats_tl.study.loading import parse_plan

    return plan_cells(parse_plan(load(root).plan))


@needs_ssh_keygen
class TestSignature:
    def test_openssh_accepts_it(self, root, key):
        code, said = quiet(main, "seal", root, "--sign", key)
        assert code == 0
        assert SIGNATURE in said
        command = ["ssh-keygen", "-Y", "check-novalidate", "-n", "stats_tl", "-s", SIGNATURE]
        with (root / SEAL).open("rb") as file:
            assert subprocess.run(command, cwd=root, stdin=file).returncode == 0

    def test_an_older_signature_does_not_stay(self, root, key):
        quiet(main, "seal", root, "--sign", key)
        quiet(main, "seal", root)
        assert not (root / SIGNATURE).exists()

    def test_a_key_that_is_not_there(self, root, tmp_path):
        code, said = quiet(main, "seal", root, "--sign", tmp_path / "nowhere")
        assert code == 2
        assert "not signed: ssh-keygen" in said
        assert check_seal(root).holds
