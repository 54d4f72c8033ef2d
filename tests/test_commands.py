"""What the commands share: how they end."""

import argparse
import runpy

import pytest

from stats_tl.commands import EXIT_INTERRUPTED, run_command


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_interruption_says_what_is_left(capsys):
    assert run_command(interrupt) == EXIT_INTERRUPTED
    assert "what is finished is kept, the next run continues" in capsys.readouterr().err
    assert run_command(interrupt, interrupted="nothing is left") == EXIT_INTERRUPTED
    assert capsys.readouterr().err == "interrupted; nothing is left\n"


def test_a_report_does_not_claim_to_continue(capsys, monkeypatch):
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", interrupt)
    monkeypatch.setattr("stats_tl.commands.signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("stats_tl.report", run_name="__main__")
    assert ended.value.code == EXIT_INTERRUPTED
    said = capsys.readouterr().err
    assert "run the same command again" in said
    assert "kept" not in said
