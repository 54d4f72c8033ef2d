"""Table 7: what someone needs to run the study again and to know that it is the same one."""

from __future__ import annotations

__all__ = ["reproducibility", "reproducibility_facts", "reproducibility_table"]

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ..rendering.labels import Labels, plural
from ..rendering.parts import Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.material import Material
from .notes import general_notes

Fact = tuple[str, str, str]
#: How the pixels of an image were scaled, after "were".
SCALINGS = {
    "imagenet": "standardised by ImageNet’s channel means and standard deviations",
    "symmetric": "scaled to −1 to 1",
    "unit": "scaled to 0 to 1",
    "caffe": "converted to BGR, with ImageNet’s channel means subtracted",
}
_SELECTIONS = {
    "best-validation-auc": "epoch with the highest validation AUC",
    "last-epoch": "last epoch",
}
_SHOWN_TRAINING = (
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "schedule",
    "augmentation",
    "class_weights",
    "selection",
    "standardize",
    "precision",
    "image_size",
)


def reproducibility(material: Material) -> Iterator[Section]:
    """The table of reproducibility, from the material of a report."""
    numbers = reproducibility_facts(material)
    table = reproducibility_table(numbers, title=material.title, cautions=general_notes(material))
    yield Section(table, numbers)


def reproducibility_facts(material: Material) -> pd.DataFrame:
    """Hashes, seeds, weights and versions of a study.

    Returns
    -------
    DataFrame
        ``section, item, value``, all text, from the records of the archive; for predictions
        made elsewhere, from their table alone.
    """
    evidence, options = material.evidence, material.options
    facts: list[Fact] = []
    archived = evidence.source == "archive"
    source = "run archive" if archived else "table of predictions"
    facts.append(("Evidence", "source", source))
    facts.append(("Evidence", "SHA-256", evidence.digest or "not known"))
    what = "readers × arms" if material.of_readers else "trained models"
    facts.append(("Evidence", what, str(len(evidence.cells))))
    plan = options.plan_sha256 or "no plan was given"
    of = f" ({options.plan_source})" if options.plan_source else ""
    facts.append(("Evidence", "SHA-256 of the analysis plan", plan + of))
    if archived:
        facts += _archive_facts(material)
    else:
        sizes = material.sample[["task", "n_repeats", "n_folds", "n_seeds"]]
        for row in sizes.to_dict("records"):
            design = ", ".join(
                plural(int(row[f"n_{word}s"]), word) for word in ("repeat", "fold", "seed")
            )
            if material.of_readers:
                design = plural(int(row["n_seeds"]), "reader")
            facts.append(("Design", material.labels.task(row["task"]) or "all cases", design))
    return pd.DataFrame(facts, columns=["section", "item", "value"])


def reproducibility_table(
    facts: pd.DataFrame, *, title: str = "", cautions: Sequence[str] = ()
) -> Table:
    """The facts to print."""
    body: list[Row | Panel] = []
    for section, rows in facts.groupby("section", sort=False):
        body.append(Panel(str(section)))
        body += [
            Row((Cell(item), Cell(value)))
            for item, value in zip(rows["item"], rows["value"], strict=True)
        ]
    return Table(
        name="reproducibility",
        caption="Data, weights, settings and software needed to reproduce the study."
        + (f" {title}." if title else ""),
        columns=(Column("Item", "wrap", width=42), Column("Value", "wrap", width=108)),
        body=tuple(body),
        notes=tuple(cautions),
    )


def _archive_facts(material: Material) -> Iterator[Fact]:
    archive: Any = material.evidence
    plan, records = archive.plan, material.records
    if archive.seal is not None:
        broken = "" if archive.seal.holds else f", no longer holds: {archive.seal}"
        yield "Evidence", "seal (SHA-256 of SHA256SUMS)", archive.seal.digest + broken
    for task_name, task in sorted(archive.tasks.items()):
        name = material.labels.task(task_name)
        if task.get("description"):
            yield "Data", f"{name}: source", str(task["description"])
        yield "Data", f"{name}: SHA-256 of labels", str(task.get("labels_sha256", "not known"))
        yield "Data", f"{name}: SHA-256 of images", str(task.get("images_sha256", "not known"))
        splits = task.get("splits_sha256", {})
        if splits:
            listed = "\n".join(f"{key} {value}" for key, value in sorted(splits.items()))
            digest = hashlib.sha256(listed.encode()).hexdigest()
            yield "Data", f"{name}: SHA-256 of {plural(len(splits), 'split')}", digest
    cv = plan.get("cv", {})
    known = bool(material.sample["n_patients"].notna().all())
    yield "Design", "cross-validation", _cross_validation(cv, by_patient=known)
    yield "Design", "seed of the study", str(plan.get("study", {}).get("seed", "not known"))
    seeds = {r["seeds"]["fit"] for r in records if "seeds" in r}
    if seeds:
        yield (
            "Design",
            "training seeds",
            f"{len(seeds)}, derived from the seed of the study and shared by the arms of a pair",
        )
    yield from _weights(records, material.labels)
    yield from _training(records, material.labels)
    yield from _software(records)


def _cross_validation(cv: Mapping[str, Any], *, by_patient: bool) -> str:
    unit = "by patient" if by_patient else "by image where patients are unknown"
    text = f"{plural(cv.get('repeats', 1), 'repeat')} of {cv.get('folds', 1)}-fold, {unit}"
    if cv.get("seeds", 1) > 1:
        text += f", {cv['seeds']} seeds"
    if cv.get("official_folds"):
        text += "; repeat 0 on the published folds"
    if cv.get("validation_share"):
        text += f"; {100 * cv['validation_share']:g} % of each training part for tuning"
    return text


def _weights(records: Iterable[Mapping[str, Any]], labels: Labels) -> Iterator[Fact]:
    known: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        weights = record["weights"]
        own = known.setdefault((record["key"]["arm"], record["key"]["backbone"]), [])
        if weights not in own:
            own.append(weights)
    for (arm, backbone), own in sorted(known.items()):
        first = own[0]
        words = [str(first.get("name") or first.get("source") or "not known")]
        if first.get("origin"):
            words.append(str(first["origin"]))
        if first.get("licence"):
            words.append(f"licence: {first['licence']}")
        if first.get("preprocessing"):
            scaling = str(first["preprocessing"])
            words.append(f"images {SCALINGS.get(scaling, f'scaled as {scaling}')}")
        hashes = sorted({str(w["sha256"]) for w in own if w.get("sha256")})
        if len(hashes) == 1:
            words.append(f"SHA-256 {hashes[0]}")
        elif hashes:
            digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
            words.append(f"{len(hashes)} draws; SHA-256 of their hashes {digest}")
        words += [str(note) for note in dict.fromkeys(n for w in own for n in w.get("notes", []))]
        yield "Weights", f"{labels.arm(arm)}, {labels.backbone(backbone)}", "; ".join(words)


def _training(records: Iterable[Mapping[str, Any]], labels: Labels) -> Iterator[Fact]:
    settings: dict[str, list[str]] = {}
    for record in records:
        training = record.get("configuration", {}).get("training")
        if training is None:
            continue
        text = ", ".join(
            f"{name.replace('_', ' ')} {_value(training[name])}"
            for name in _SHOWN_TRAINING
            if training.get(name) not in (None, "none", False)
        )
        key = record["key"]
        who = ", ".join(labels.setting(key, ("backbone", "head", "unfreeze")))
        models = settings.setdefault(text, [])
        if who not in models:
            models.append(who)
    for text, models in settings.items():
        yield "Training", "; ".join(sorted(models)) if len(settings) > 1 else "all models", text


def _value(value: Any) -> str:
    if value in _SELECTIONS:
        return _SELECTIONS[value]
    return "yes" if value is True else f"{value:g}" if isinstance(value, float) else str(value)


def _software(records: Iterable[Mapping[str, Any]]) -> Iterator[Fact]:
    found: dict[str, dict[str, None]] = {}

    def note(item: str, value: Any) -> None:
        if value:
            found.setdefault(item, {})[str(value)] = None

    for record in records:
        environment = record.get("environment", {})
        for item in ("stats_tl", "commit", "python"):
            note(item, environment.get(item))
        packages = environment.get("packages", {})
        installed = (f"{name} {version}" for name, version in packages.items() if version)
        note("packages", ", ".join(installed))
        device = environment.get("device")
        where = [environment.get("platform"), device, environment.get("device_name")]
        note("machine", ", ".join(dict.fromkeys(filter(None, where))))
    for item, values in found.items():
        yield "Software that trained the models", item, "; ".join(sorted(values))
