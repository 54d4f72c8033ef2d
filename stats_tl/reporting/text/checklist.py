"""CLAIM 2024 and TRIPOD+AI, filled in as far as the evidence knows, blank where it does not.

Requests are shortened to what has to be said; the published lists have the full wording:
Tejani et al., Radiology: Artificial Intelligence 2024, doi:10.1148/ryai.240300; Collins et
al., BMJ 2024, doi:10.1136/bmj-2023-078378.
"""

from __future__ import annotations

__all__ = ["checklist", "checklist_markdown"]

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd

from ..rendering.labels import join_words, plural
from ..results.material import Material
from ..tables.reproducibility import reproducibility_facts

CLAIM = (
    ("1", "Title", "Say that it is a study of AI, and of which technology", "technology"),
    ("2", "Abstract", "Summarise design, methods, results and conclusions", ""),
    ("3", "Background", "Clinical background, intended use and role of the model", ""),
    ("4", "Objectives", "Aims, objectives and hypotheses", "objective"),
    ("5", "Design", "Prospective or retrospective", ""),
    ("6", "Design", "Goal of the study", "objective"),
    ("7", "Data", "Sources of the data", "data"),
    ("8", "Data", "Criteria of inclusion and exclusion; place, dates, setting", ""),
    ("9", "Data", "Preprocessing", "preprocessing"),
    ("10", "Data", "Selection of subsets of the data", ""),
    ("11", "Data", "Removal of identifying information", ""),
    ("12", "Data", "Handling of missing data", "missing"),
    ("13", "Data", "Protocol of image acquisition", ""),
    ("14", "Reference standard", "How it was obtained", ""),
    ("15", "Reference standard", "Why it was chosen", ""),
    ("16", "Reference standard", "Who annotated, with what qualification", ""),
    ("17", "Reference standard", "Annotation of the test data", ""),
    ("18", "Reference standard", "Variability between and within annotators", ""),
    ("19", "Partitions", "How data were assigned to partitions", "partitions"),
    ("20", "Partitions", "Level at which partitions are disjoint", "disjoint"),
    ("21", "Partitions", "Intended sample size and how it was found", "size"),
    ("22", "Model", "Inputs, outputs, layers and connections", "model"),
    ("23", "Model", "Libraries, frameworks and packages", "software"),
    ("24", "Model", "Initialisation of parameters", "weights"),
    ("25", "Training", "Augmentation, hyperparameters, number of models", "training"),
    ("26", "Training", "How the final model was selected", "selection"),
    ("27", "Training", "Ensembling", "ensembling"),
    ("28", "Evaluation", "Metrics of performance", "metrics"),
    ("29", "Evaluation", "Significance and uncertainty", "uncertainty"),
    ("30", "Evaluation", "Robustness and sensitivity analyses", "robustness"),
    ("31", "Evaluation", "Explainability", ""),
    ("32", "Evaluation", "Internal testing", "internal"),
    ("33", "Evaluation", "External testing", ""),
    ("34", "Evaluation", "Registration of a clinical trial", ""),
    ("35", "Results", "Numbers included and excluded, flow of patients", "flow"),
    ("36", "Results", "Demographic and clinical characteristics by partition", ""),
    ("37", "Results", "Performance on all partitions, with uncertainty", "performance"),
    ("38", "Results", "Diagnostic accuracy and its precision", "accuracy"),
    ("39", "Results", "Analysis of failures", ""),
    ("40", "Discussion", "Limitations", ""),
    ("41", "Discussion", "Implications for practice", ""),
    ("42", "Other", "Where the full protocol is", "plan"),
    ("43", "Other", "Availability of software, model and data", "availability"),
    ("44", "Other", "Funding", ""),
)
TRIPOD_AI = (
    ("1", "Title", "Say that a prediction model is developed or evaluated", ""),
    ("2", "Abstract", "See TRIPOD+AI for Abstracts", ""),
    ("3a", "Background", "Healthcare context and rationale", ""),
    ("3b", "Background", "Target population, purpose, users", ""),
    ("3c", "Background", "Known health inequalities", ""),
    ("4", "Objectives", "Development or evaluation, or both", "objective"),
    ("5a", "Data", "Sources for development and evaluation", "data"),
    ("5b", "Data", "Dates of data collection", ""),
    ("6a", "Participants", "Setting, number and place of centres", ""),
    ("6b", "Participants", "Criteria of eligibility", ""),
    ("6c", "Participants", "Treatments received", ""),
    ("7", "Data preparation", "Preprocessing and quality checks", "preprocessing"),
    ("8a", "Outcome", "Definition of the outcome and its assessment", ""),
    ("8b", "Outcome", "Qualification of the assessors", ""),
    ("8c", "Outcome", "Blinding of the assessment", ""),
    ("9a", "Predictors", "Choice of predictors", "inputs"),
    ("9b", "Predictors", "Definition and measurement of predictors", ""),
    ("9c", "Predictors", "Qualification of those who assessed predictors", ""),
    ("10", "Sample size", "How it was arrived at", "size"),
    ("11", "Missing data", "Handling, and reasons for omission", "missing"),
    ("12a", "Analysis", "How the data were used; partitioning", "partitions"),
    ("12b", "Analysis", "Handling of predictors", ""),
    ("12c", "Analysis", "Type of model, building steps, internal validation", "model"),
    ("12d", "Analysis", "Heterogeneity between clusters", "robustness"),
    ("12e", "Analysis", "Measures and plots of performance", "metrics"),
    ("12f", "Analysis", "Updating of the model", ""),
    ("12g", "Analysis", "How predictions were calculated", "predictions"),
    ("13", "Class imbalance", "Methods for it", "imbalance"),
    ("14", "Fairness", "Approaches to fairness", ""),
    ("15", "Model output", "Output, and how thresholds were chosen", "thresholds"),
    ("16", "Training and evaluation", "Differences between the data of both", "internal"),
    ("17", "Ethical approval", "Committee and consent", ""),
    ("18a", "Open science", "Funding", ""),
    ("18b", "Open science", "Conflicts of interest", ""),
    ("18c", "Open science", "Protocol", "plan"),
    ("18d", "Open science", "Registration", ""),
    ("18e", "Open science", "Availability of data", ""),
    ("18f", "Open science", "Availability of code", ""),
    ("19", "Patients and public", "Their involvement", ""),
    ("20a", "Participants", "Flow and numbers with and without the outcome", "flow"),
    ("20b", "Participants", "Characteristics", ""),
    ("20c", "Participants", "Comparison of development and evaluation data", ""),
    ("21", "Model development", "Participants and events in each analysis", "flow"),
    ("22", "Model specification", "The full model", ""),
    ("23a", "Performance", "Estimates with intervals, for subgroups too", "performance"),
    ("23b", "Performance", "Heterogeneity", "heterogeneity"),
    ("24", "Model updating", "Results of updating", ""),
    ("25", "Interpretation", "Of the main results, fairness included", ""),
    ("26", "Limitations", "Of the study, and their effects", ""),
    ("27a", "Usability", "Input data of poor quality or not available", ""),
    ("27b", "Usability", "What users must do", ""),
    ("27c", "Usability", "Next steps of research", ""),
)


def checklist(material: Material, present: Collection[str]) -> pd.DataFrame:
    """Both lists with the answers that the evidence gives.

    Parameters
    ----------
    material : Material
    present : collection of str
        Names of the tables of the report.

    Returns
    -------
    DataFrame
        ``guideline, item, topic, request, answer``; `answer` is empty where the evidence does
        not know.
    """
    answers = {**_of_analysis(material, set(present)), **dict(_of_training(material))}
    rows = [
        (guideline, item, topic, request, answers.get(key, ""))
        for guideline, items in (("CLAIM 2024", CLAIM), ("TRIPOD+AI", TRIPOD_AI))
        for item, topic, request, key in items
    ]
    return pd.DataFrame(rows, columns=["guideline", "item", "topic", "request", "answer"])


def checklist_markdown(frame: pd.DataFrame, provenance: Sequence[str]) -> str:
    """The lists as Markdown tables; `provenance` are the lines of the comment at the top."""
    lines = ["<!--", *provenance, "-->", "# Reporting checklists", ""]
    lines += [
        "Filled in from the data as far as they know; what is blank is for the authors. Requests "
        "are shortened: see the published lists (doi:10.1148/ryai.240300, "
        "doi:10.1136/bmj-2023-078378).",
        "",
    ]
    for guideline, rows in frame.groupby("guideline", sort=False):
        lines += [f"## {guideline}", "", "| item | topic | what to report | answer |"]
        lines += ["|---|---|---|---|"]
        for row in rows.to_dict("records"):
            cells = (row["item"], row["topic"], row["request"], row["answer"])
            lines.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    for character in "\\`*_<>[]|":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")


def _of_analysis(material: Material, present: set[str]) -> dict[str, str]:
    rows, options = material.comparisons, material.options
    arms = join_words(list(dict.fromkeys(rows["arm"].astype(str))))
    tasks = [task for task in dict.fromkeys(rows["task"].astype(str)) if task]
    in_tasks = f" in {join_words(tasks)}" if tasks else ""
    crossed = bool((rows["n_folds"] > 1).any())
    gaps = plural(len(material.lacking), "gap")
    answers = {
        "objective": f"Compare {arms} with {material.reference}{in_tasks} by the AUC",
        "metrics": "AUC"
        + ("; sensitivity and specificity" if "operating_points" in present else ""),
        "uncertainty": f"Table significance: {100 * (1 - options.alpha):g} % intervals, raw and "
        f"adjusted P ({options.correction}), "
        + (
            "equivalence not tested"
            if options.margin is None
            else f"equivalence within ± {options.margin:g}"
        )
        + ", smallest detectable difference; methods text",
        "missing": f"Incomplete runs left out ({gaps}, listed below the tables); imaging data: "
        "not known"
        if material.lacking
        else "No planned result is missing; imaging data: not known",
        "flow": "Table sample: patients, images and events analysed (exclusions: not known)",
        "performance": "Table significance"
        + (", table subgroups" if "subgroups" in present else ""),
        "accuracy": "Tables significance"
        + (" and operating_points" if "operating_points" in present else ""),
        "internal": "Cross-validation: every case was tested by models that did not train on it"
        if crossed and hasattr(material.evidence, "records")
        else "",
        "size": "Not from a calculation that the data record; the smallest detectable differences "
        "are in table significance",
        "predictions": "Scores as given; no calibration by stats_tl",
        "ensembling": "None: AUCs of single models, averaged as numbers",
        "plan": f"Analysis plan with sha256 {options.plan_sha256}" if options.planned else "",
    }
    heterogeneity = [
        name for name in ("mixed_model", "variance_components", "subgroups") if name in present
    ]
    if heterogeneity:
        answers["robustness"] = f"Tables {join_words(heterogeneity)}"
        answers["heterogeneity"] = f"Tables {join_words(heterogeneity)}"
    if "operating_points" in present:
        answers["thresholds"] = (
            "One for each model, on its tuning cases: largest Youden index"
            if options.target_sensitivity is None
            else "One for each model, on its tuning cases: sensitivity "
            f"{options.target_sensitivity:g}"
        )
    if material.sample["n_patients"].isna().any():
        answers["disjoint"] = "Patients are not named"
    return answers


def _of_training(material: Material) -> Iterator[tuple[str, str]]:
    """What only an archive knows."""
    evidence: Any = material.evidence
    if not hasattr(evidence, "records"):
        return
    facts = reproducibility_facts(material)

    def told(section: str) -> str:
        own = facts[facts["section"] == section]
        return "; ".join(f"{i}: {v}" for i, v in zip(own["item"], own["value"], strict=True))

    sources = [
        str(task["description"]) for task in evidence.tasks.values() if task.get("description")
    ]
    yield "technology", "Deep learning (convolutional networks), transfer learning"
    yield "data", " ".join(sources)
    yield "partitions", _value(facts, "cross-validation")
    if material.sample["n_patients"].notna().all():
        yield "disjoint", "Patient (verified on the archive)"
    yield "model", _models(evidence.cells)
    yield "software", told("Software that trained the models")
    yield "weights", "Table reproducibility: source, licence and sha256 of all weights"
    yield "training", told("Training") + f"; {plural(len(evidence.cells), 'model')}"
    rules = {record["selection"]["rule"] for record in material.records}
    if rules <= set(_RULES):
        yield "selection", join_words([_RULES[rule] for rule in sorted(rules)])
    yield "inputs", "The image alone"
    yield "preprocessing", _preprocessing(material)
    weights = sorted(
        {
            str(r.get("configuration", {}).get("training", {}).get("class_weights", ""))
            for r in material.records
        }
        - {""}
    )
    if weights:
        yield "imbalance", f"Class weights in training: {join_words(weights)}"
    yield "availability", f"Archive of scores with sha256 {evidence.digest} (where: not known)"


_RULES = {
    "best-validation-auc": "The epoch of each model with the best AUC on its tuning cases",
    "last-epoch": "The last epoch of each model",
}


def _value(facts: pd.DataFrame, item: str) -> str:
    found = facts.loc[facts["item"] == item, "value"]
    return str(found.iloc[0]) if len(found) else ""


def _models(cells: pd.DataFrame) -> str:
    parts = []
    for name, key in (("backbones", "backbone"), ("heads", "head"), ("stages trained", "unfreeze")):
        parts.append(f"{name}: {join_words(sorted(set(cells[key].astype(str))))}")
    return "; ".join(parts)


def _preprocessing(material: Material) -> str:
    scalings = {
        f"{r['key']['arm']} as {r['weights']['preprocessing']}"
        for r in material.records
        if r["weights"].get("preprocessing")
    }
    return f"Input scaled for {join_words(sorted(scalings))}" if scalings else ""
