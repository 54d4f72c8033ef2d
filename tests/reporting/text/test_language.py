"""Every generated sentence of studies of many kinds, read for slips of grammar and style."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from stats_tl.reporting import AnalysisOptions, Predictions, build_grid_report, build_report
from stats_tl.reporting.figures import FIGURES
from stats_tl.reporting.page.summary import plain_summary
from stats_tl.reporting.rendering.parts import Absent

from ..simulate import simulate_scores
from .language import sentences, slips

PLANNED = AnalysisOptions(
    reference="imagenet",
    margin=0.03,
    planned=True,
    plan_sha256="f" * 64,
    plan_source="the plan file",
)
UNPLANNED = AnalysisOptions(reference="imagenet")


class Synthetic(Predictions):
    """Evidence that says it was generated."""

    synthetic = True


def grid(tasks=("acl",), backbones=("resnet18",), signal=1.3, **options):
    """Scores of tasks and backbones, each with its own data set or models."""
    return pd.concat(
        [
            simulate_scores(
                task=task,
                backbone=backbone,
                arms=(("imagenet", 1.0), ("radimagenet", signal)),
                seed=number,
                model_seed=model,
                **{"n_patients": 60, "repeats": 2, **options},
            )
            for number, task in enumerate(tasks)
            for model, backbone in enumerate(backbones)
        ],
        ignore_index=True,
    )


def with_half(frame, **options):
    half = grid(folds=2, repeats=3, **options).assign(design="half")
    return pd.concat([frame.assign(design="cv"), half], ignore_index=True)


def with_tuning(frame):
    """The scores with those of tuning cases, which are of other patients."""
    others = {name: "t" + frame[name] for name in ("case", "patient")}
    return pd.concat([frame, frame.assign(partition="validation", **others)], ignore_index=True)


def three_arms(**options):
    arms = (("imagenet", 1.0), ("radimagenet", 1.3), ("random", 0.4))
    return simulate_scores(arms=arms, n_patients=60, repeats=2, **options)


def incomplete():
    frame = grid(backbones=("resnet18", "densenet121"))
    gone = (frame["repeat"] == 1) & (frame["fold"] == 0) & (frame["arm"] == "imagenet")
    return frame[~(gone & (frame["backbone"] == "resnet18"))]


STUDIES = {
    "one task, planned": lambda: (grid(), PLANNED, Predictions),
    "no task": lambda: (grid().drop(columns=["task", "head", "unfreeze"]), UNPLANNED, Predictions),
    "many tasks and backbones": lambda: (
        grid(("acl", "breast", "chest", "hip", "knee"), ("resnet18", "densenet121")),
        PLANNED,
        Predictions,
    ),
    "nothing significant": lambda: (
        grid(backbones=("resnet18", "densenet121"), signal=1.0), PLANNED, Predictions,
    ),
    "all significant": lambda: (
        grid(backbones=("resnet18", "densenet121"), signal=3.0), PLANNED, Predictions,
    ),
    "a primary comparison": lambda: (
        grid(("acl", "breast"), ("resnet18", "densenet121"), signal=1.6),
        AnalysisOptions(
            reference="imagenet", planned=True, families=("task",),
            primary={"task": "acl", "backbone": "resnet18"},
        ),
        Predictions,
    ),
    "no patients": lambda: (grid().drop(columns="patient"), UNPLANNED, Predictions),
    "seeds": lambda: (grid(seeds=2), UNPLANNED, Predictions),
    "half samples": lambda: (with_half(grid(repeats=3)), PLANNED, Predictions),
    "several arms": lambda: (three_arms(), PLANNED, Predictions),
    "subgroups": lambda: (
        grid(repeats=5).assign(scanner=lambda f: np.where(f["case"] < "c0060", "A", "B")),
        UNPLANNED, Predictions,
    ),
    "operating points": lambda: (
        with_tuning(grid()),
        AnalysisOptions(reference="imagenet", target_sensitivity=0.9),
        Predictions,
    ),
    "one fixed test set": lambda: (
        with_tuning(grid(folds=1, repeats=1)).drop(columns=["fold", "repeat"]),
        UNPLANNED, Predictions,
    ),
    "patients unknown": lambda: (grid().drop(columns="patient"), UNPLANNED, Predictions),
    "the other class": lambda: (
        grid().assign(score=lambda f: f["score"].where(f["arm"] != "radimagenet", -f["score"])),
        UNPLANNED, Predictions,
    ),
    "labels as scores": lambda: (
        grid().assign(score=lambda f: (f["score"] > 0).astype(float)), UNPLANNED, Predictions,
    ),
    "training runs as readers": lambda: (grid(folds=1, repeats=1, seeds=3), UNPLANNED, Predictions),
    "synthetic, departing": lambda: (
        grid(), PLANNED.override("on the command line", correction="none"), Synthetic,
    ),
    "incomplete": lambda: (incomplete(), UNPLANNED, Predictions),
}  # fmt: skip


def texts(report):
    """All sentences of a report but those of figures, with where they stand."""
    for name, paragraphs in (("methods", report.words.methods), ("results", report.words.results)):
        yield from ((name, text) for text in paragraphs)
    for section in report.sections:
        yield f"caption of {section.name}", section.table.caption
        yield from ((f"notes of {section.name}", note) for note in section.table.notes)
    yield from (("terminal", note) for note in report.terminal.notes)
    yield from (("absent", f"There is no {part.what}: {part.reason}.") for part in report.absent)
    answers = report.words.checklist
    known = answers[~answers["item"].isin(["23", "25", "19", "12a", "7", "5a"])]["answer"]
    yield from (("checklist", answer) for answer in known if answer)
    plain = plain_summary(report.summary)
    for key in ("warnings", "limits"):
        yield from ((key, text) for text in plain[key])
    yield from (("finding", finding["text"]) for finding in plain["findings"])
    yield from (("summary", text) for text in (plain["question"], plain["more"]) if text)


@pytest.fixture(scope="module", params=STUDIES)
def report(request):
    frame, options, kind = STUDIES[request.param]()
    return build_report(kind(frame, name="demo"), options, formats=[], allow_incomplete=True)


def test_the_text_of_a_report_has_no_slips(report):
    found = [
        f"{where}: {slip}"
        for where, text in texts(report)
        # A caption is a title and one or more sentences.
        # Gaps are listed under the names by which they can be filled.
        for slip in slips(re.sub(r"(There (?:is|are) \d+ gaps?): .*", r"\1.", text))
        if not (where.startswith("caption") and slip.startswith("no verb"))
    ]
    assert not found, "\n".join(found)


def test_the_captions_of_the_figures_have_no_slips():
    frame = grid(("acl", "breast"), ("resnet18",), repeats=2)
    frame["score"] = 1 / (1 + np.exp(-frame["score"]))
    material = build_report(Predictions(frame, name="demo"), PLANNED, formats=[]).material
    found = []
    for name, draw in FIGURES.items():
        drawing = draw(material)
        if isinstance(drawing, Absent):
            caption = f"There is no {drawing.what}: {drawing.reason}."
        else:
            title, *rest = sentences(drawing.caption)
            caption = " ".join([f"This figure shows {title}", *rest])
        found += [f"{name}: {slip}" for slip in slips(caption)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("backbones", [("",), ("resnet18", "densenet121")])
def test_the_text_of_a_table_of_aucs_has_no_slips(backbones):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        [
            ("acl", backbone, f"{backbone} lr {n}", arm, 0.8 + 0.02 * (arm != "imagenet"))
            for backbone in backbones
            for n in range(4)
            for arm in ("imagenet", "radimagenet")
        ],
        columns=["task", "backbone", "configuration", "arm", "auc"],
    )
    frame["auc"] += rng.normal(0, 0.01, len(frame))
    report = build_grid_report(frame, UNPLANNED, name="grid", digest="0" * 64)
    shown = [note for section in report.sections for note in section.table.notes]
    for name in ("methods.md", "results.md"):
        body = report.files[name].decode().split("\n# ")[1].split("\n\n")[1:]
        shown += [text.strip().replace("\\", "") for text in body]
    found = [slip for text in shown for slip in slips(text)]
    assert not found, "\n".join(found)


#: Sentences of earlier versions, each with a slip that has to be seen.
EARLIER = {
    "no verb": "Of the variance of a fold’s AUC around the fixed effects, residual (arm × fold, "
    "training noise) 73.5 %, fold of the repeat (test cases) 26.5 % and repeat (split) 0.0 %.",
    "capital after": "Secondary comparisons: In busbra, the AUC was 0.736 with imagenet and 0.676 "
    "with random: imagenet was superior to random; In busbra, it was 0.7.",
    "underscore": "The primary comparison was that of squeezenet1_1 and linear.",
    "identifier": "We compared radimagenet with imagenet as the reference.",
    "disagreement": "Of 8 comparisons, the candidate was 8 inconclusive.",
    "banned 'favor'": "Positive values favor the candidate.",
    "banned 'tells'": "The slope of the learning curve tells how much patients matter.",
    "banned 'likewise'": "Two one-sided tests, adjusted likewise, place it within the margin.",
    "banned 'taken as irrelevant'": "Differences within ± 0.02 were taken as irrelevant.",
    "1 with a plural": "1 comparisons were made.",
    "a number with a singular": "The data comprised 3 image of one patient.",
    "doubled word": "The the AUC was 0.8.",
    "spacing": "The AUC was 0.8 , which is high.",
    "unbalanced": "The AUC (of all folds was 0.8.",
    "does not end": "The AUC was 0.8",
}


@pytest.mark.parametrize("slip", EARLIER)
def test_the_reader_sees_slips_of_earlier_sentences(slip):
    assert any(found.startswith(slip) for found in slips(EARLIER[slip]))
