"""What the commands share: how they end."""

import argparse
import runpy
import subprocess
import sys

import pytest

import stats_tl
from stats_tl import __main__ as commands
from stats_tl.commands import EXIT_INTERRUPTED, run_command


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_interruption_says_what_is_left(capsys):
    assert run_command(interrupt) == EXIT_INTERRUPTED
    assert "what is finished is kept, the next run continues" in capsys.readouterr().err
    assert run_command(interrupt, interrupted="nothing is left") == EXIT_INTERRUPTED
    assert capsys.readouterr().err == "interrupted; nothing is left\n"


def test_memory_that_is_exhausted_ends_in_a_sentence(capsys):
    def fill():
        raise MemoryError("Unable to allocate 49.5 GiB")

    assert run_command(fill, interrupted="nothing is left") == 2
    said = "error: memory is exhausted (Unable to allocate 49.5 GiB); nothing is left\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("command", ["report --runs", "report --scores", "archive verify"])
def test_a_path_that_no_file_system_holds_ends_in_a_sentence(command, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        commands.main([*command.split(), str(tmp_path / ("a" * 5000))])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.endswith("is too long to be the name of a file or folder\n")
    assert len(said) < 200


def test_the_package_lists_and_runs_its_commands(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["stats-tl"])
    assert commands.main([]) == commands.main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name, (module, _) in commands.COMMANDS.items():
        assert f"  {name} " in listed
        with pytest.raises(SystemExit) as ended:
            commands.main([name.replace("-", "_"), "--help"])
        assert ended.value.code == 0
        assert f"python -m {module}" in capsys.readouterr().out
    assert commands.main(["--version"]) == 0
    assert capsys.readouterr().out == f"stats_tl {stats_tl.__version__}\n"


def test_the_package_shows_its_wings():
    code = "import sys, stats_tl; print(*dir(stats_tl)); assert 'numpy' not in sys.modules; "
    code += "print(stats_tl.stats.delong_test.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, test = done.stdout.splitlines()
    assert {"archive", "reporting", "stats", "train"} <= set(names.split())
    assert test == "delong_test"
    with pytest.raises(AttributeError, match="no attribute 'statistics'"):
        stats_tl.statistics  # noqa: B018


def test_a_report_does_not_claim_to_continue(capsys, monkeypatch):
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", interrupt)
    monkeypatch.setattr("stats_tl.commands.signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("stats_tl.report", run_name="__main__")
    assert ended.value.code == EXIT_INTERRUPTED
    said = capsys.readouterr().err
    assert "run the same command again" in said
    assert "kept" not in said
