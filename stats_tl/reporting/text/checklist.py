"""CLAIM 2024 and TRIPOD+AI, answered as far as the evidence allows and blank elsewhere.

Requests are shortened; the published lists have the full text: Tejani et al., Radiology:
Artificial Intelligence 2024, doi:10.1148/ryai.240300; Collins et al., BMJ 2024,
doi:10.1136/bmj-2023-078378.
"""

from __future__ import annotations

__all__ = ["checklist", "checklist_markdown"]

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd

from ...visible import visible
from ..rendering.labels import CORRECTION_NAMES, join_words, plural, sentence_case
from ..results.material import Material
from ..tables.reproducibility import SCALINGS, reproducibility_facts

CLAIM = (
    ("1", "Title", "Identify the study as one of AI, and name the technology", "technology"),
    ("2", "Abstract", "Structured summary of design, methods, results and conclusions", ""),
    ("3", "Background", "Clinical background; intended use and role of the model", ""),
    ("4", "Objectives", "Aims, objectives and hypotheses", "objective"),
    ("5", "Design", "Prospective or retrospective", ""),
    ("6", "Design", "Goal of the study", "objective"),
    ("7", "Data", "Sources of the data", "data"),
    ("8", "Data", "Inclusion and exclusion criteria; setting, place and dates", ""),
    ("9", "Data", "Preprocessing of data", "preprocessing"),
    ("10", "Data", "Selection of data subsets", ""),
    ("11", "Data", "De-identification", ""),
    ("12", "Data", "Handling of missing data", "missing"),
    ("13", "Data", "Image acquisition protocol", ""),
    ("14", "Reference standard", "Definition, and how it was obtained", ""),
    ("15", "Reference standard", "Rationale for its choice", ""),
    ("16", "Reference standard", "Source of annotations; qualifications of annotators", ""),
    ("17", "Reference standard", "Annotation of the test data", ""),
    ("18", "Reference standard", "Inter- and intra-annotator variability", ""),
    ("19", "Partitions", "Assignment of data to partitions", "partitions"),
    ("20", "Partitions", "Level at which partitions are disjoint", "disjoint"),
    ("21", "Partitions", "Intended sample size and its justification", "size"),
    ("22", "Model", "Inputs, outputs, layers and connections", "model"),
    ("23", "Model", "Libraries, frameworks and packages", "software"),
    ("24", "Model", "Initialisation of parameters", "weights"),
    ("25", "Training", "Augmentation, hyperparameters and number of models trained", "training"),
    ("26", "Training", "Selection of the final model", "selection"),
    ("27", "Training", "Ensembling", "ensembling"),
    ("28", "Evaluation", "Performance metrics", "metrics"),
    ("29", "Evaluation", "Measures of statistical significance and uncertainty", "uncertainty"),
    ("30", "Evaluation", "Robustness and sensitivity analyses", "robustness"),
    ("31", "Evaluation", "Explainability", ""),
    ("32", "Evaluation", "Internal testing", "internal"),
    ("33", "Evaluation", "External testing", ""),
    ("34", "Evaluation", "Registration of a clinical trial", ""),
    ("35", "Results", "Numbers included and excluded; flow of participants", "flow"),
    ("36", "Results", "Demographic and clinical characteristics by partition", ""),
    ("37", "Results", "Performance on all partitions, with uncertainty", "performance"),
    ("38", "Results", "Diagnostic accuracy and its precision", "accuracy"),
    ("39", "Results", "Analysis of failures", ""),
    ("40", "Discussion", "Limitations", ""),
    ("41", "Discussion", "Implications for practice", ""),
    ("42", "Other", "Access to the full protocol", "plan"),
    ("43", "Other", "Availability of software, model and data", "availability"),
    ("44", "Other", "Funding", ""),
)
TRIPOD_AI = (
    ("1", "Title", "Identify the study as developing or evaluating a prediction model", ""),
    ("2", "Abstract", "See TRIPOD+AI for Abstracts", ""),
    ("3a", "Background", "Healthcare context and rationale", ""),
    ("3b", "Background", "Target population, purpose and users", ""),
    ("3c", "Background", "Known health inequalities", ""),
    ("4", "Objectives", "Development or evaluation, or both", "objective"),
    ("5a", "Data", "Sources for development and evaluation", "data"),
    ("5b", "Data", "Dates of data collection", ""),
    ("6a", "Participants", "Setting; number and location of centres", ""),
    ("6b", "Participants", "Eligibility criteria", ""),
    ("6c", "Participants", "Treatments received", ""),
    ("7", "Data preparation", "Preprocessing and quality checks", "preprocessing"),
    ("8a", "Outcome", "Definition and assessment of the outcome", ""),
    ("8b", "Outcome", "Qualifications of outcome assessors", ""),
    ("8c", "Outcome", "Blinding of outcome assessment", ""),
    ("9a", "Predictors", "Choice of predictors", "inputs"),
    ("9b", "Predictors", "Definition and measurement of predictors", ""),
    ("9c", "Predictors", "Qualifications of predictor assessors", ""),
    ("10", "Sample size", "Justification of the sample size", "size"),
    ("11", "Missing data", "Handling of missing data, and reasons for omitting any", "missing"),
    ("12a", "Analysis", "Use of the data; partitioning", "partitions"),
    ("12b", "Analysis", "Handling of predictors", ""),
    ("12c", "Analysis", "Type of model, model building and internal validation", "model"),
    ("12d", "Analysis", "Heterogeneity between clusters", "robustness"),
    ("12e", "Analysis", "Measures and plots of performance", "metrics"),
    ("12f", "Analysis", "Model updating", ""),
    ("12g", "Analysis", "Calculation of predictions", "predictions"),
    ("13", "Class imbalance", "Methods for handling class imbalance", "imbalance"),
    ("14", "Fairness", "Approaches to fairness", ""),
    ("15", "Model output", "Model output and choice of thresholds", "thresholds"),
    (
        "16",
        "Training and evaluation",
        "Differences between training and evaluation data",
        "internal",
    ),
    ("17", "Ethical approval", "Ethics committee and consent", ""),
    ("18a", "Open science", "Funding", ""),
    ("18b", "Open science", "Conflicts of interest", ""),
    ("18c", "Open science", "Protocol", "plan"),
    ("18d", "Open science", "Registration", ""),
    ("18e", "Open science", "Availability of data", ""),
    ("18f", "Open science", "Availability of code", ""),
    ("19", "Patients and public", "Patient and public involvement", ""),
    ("20a", "Participants", "Flow of participants; numbers with and without the outcome", "flow"),
    ("20b", "Participants", "Characteristics of participants", ""),
    ("20c", "Participants", "Comparison of development and evaluation data", ""),
    ("21", "Model development", "Participants and events in each analysis", "flow"),
    ("22", "Model specification", "The full model", ""),
    (
        "23a",
        "Performance",
        "Performance estimates with intervals, also in subgroups",
        "performance",
    ),
    ("23b", "Performance", "Heterogeneity", "heterogeneity"),
    ("24", "Model updating", "Results of updating", ""),
    ("25", "Interpretation", "Interpretation of main results, including fairness", ""),
    ("26", "Limitations", "Limitations of the study and their effects", ""),
    ("27a", "Usability", "Handling of input data of poor quality or missing", ""),
    ("27b", "Usability", "Required interaction and expertise of users", ""),
    ("27c", "Usability", "Next steps for research", ""),
)


def checklist(material: Material, present: Collection[str]) -> pd.DataFrame:
    """Both lists, answered from the evidence.

    Parameters
    ----------
    material : Material
    present : collection of str
        Names of the tables of the report.

    Returns
    -------
    DataFrame
        ``guideline, item, topic, request, answer``; `answer` is empty where the evidence does
        not hold it.
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
        "Answers were filled in from the data; blank items are for the authors. Requests are "
        "shortened: see the published lists (doi:10.1148/ryai.240300, "
        "doi:10.1136/bmj-2023-078378).",
        "",
    ]
    for guideline, rows in frame.groupby("guideline", sort=False):
        lines += [f"## {guideline}", "", "| Item | Topic | What to report | Answer |"]
        lines += ["|---|---|---|---|"]
        for row in rows.to_dict("records"):
            cells = (row["item"], row["topic"], row["request"], row["answer"])
            lines.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
        lines.append("")
    return visible("\n".join(lines))


def _cell(text: str) -> str:
    for character in "\\`*_<>[]|":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")


def _of_analysis(material: Material, present: set[str]) -> dict[str, str]:
    """What every evidence allows to answer."""
    options, rows, by = material.options, material.comparisons, material.metric
    operating = "operating_points" in present
    counted = "images" if material.sample["n_patients"].isna().all() else "patients, images"
    answers = {
        "objective": _objective(material),
        "metrics": f"The {by.label} was used"
        + (", with sensitivity and specificity at set thresholds" if operating else "")
        + ("; the table of clinical metrics has others." if "clinical" in present else "."),
        "uncertainty": _uncertainty(material),
        "missing": _missing(material),
        "flow": f"The sample table has the {counted} and events analysed; exclusions are not "
        "recorded.",
        "performance": "See the table of comparisons"
        + (" and the table of subgroups." if "subgroups" in present else "."),
        "accuracy": "See the table of comparisons"
        + (" and the table of operating points." if operating else "."),
        "size": "No sample size calculation is recorded; the table of comparisons has the smallest "
        "detectable differences.",
        "predictions": "Scores were used as given, without recalibration.",
        "ensembling": "No ensembles were used; "
        f"{'the AUCs' if by.is_auc else by.values.lower()} of single models were averaged.",
    }
    if bool((rows["n_folds"] > 1).any()) and material.evidence.source == "archive":
        answers["internal"] = (
            "By cross-validation, every case was tested with models that were not trained on it."
        )
    if options.planned:
        answers["plan"] = (
            f"The analysis plan has the SHA-256 {options.plan_sha256}."
            if options.plan_sha256
            else "The analysis followed a plan."
        )
    sources = [text for name, text in _HETEROGENEITY.items() if name in present]
    if sources:
        answers["robustness"] = answers["heterogeneity"] = f"See {join_words(sources)}."
    if operating:
        target = options.target_sensitivity
        at = "the largest Youden index" if target is None else f"a sensitivity of {target:g}"
        answers["thresholds"] = (
            f"The threshold of each model was set on its tuning cases, at {at}."
            if options.threshold is None
            else f"A threshold of {options.threshold:g} was given for all models."
        )
    if material.divided:
        torn = sum(map(len, material.divided.values()))
        answers["disjoint"] = f"Not by patient: {plural(torn, 'patient')} on both sides of a split."
    elif material.sample["n_patients"].isna().any():
        answers["disjoint"] = _unknown_level(material)
    return answers


def _unknown_level(material: Material) -> str:
    unknown = material.sample["n_patients"].isna()
    where = "" if unknown.all() else f" in {join_words(_tasks(material, unknown))}"
    return (
        f"Patients are unknown{where}, so that it cannot be said whether partitions are disjoint "
        "by patient."
    )


def _tasks(material: Material, rows: pd.Series) -> list[str]:
    return [material.labels.task(task) for task in material.sample.loc[rows, "task"].astype(str)]


_HETEROGENEITY = {
    "mixed_model": "the mixed model",
    "variance_components": "the variance components",
    "subgroups": "the table of subgroups",
    "sensitivity": "the sensitivity analysis",
}


def _objective(material: Material) -> str:
    arms = join_words(list(dict.fromkeys(material.shown["arm"])))
    tasks = [task for task in dict.fromkeys(material.shown["task"]) if task]
    in_tasks = f" in {join_words(tasks)}" if tasks else ""
    reference = material.labels.arm(material.reference)
    return (
        f"The aim was to compare {arms} with {reference}{in_tasks} by the {material.metric.label}."
    )


def _uncertainty(material: Material) -> str:
    options = material.options
    adjusted = (
        "unadjusted P values"
        if options.correction == "none"
        else f"P values before and after adjustment by {CORRECTION_NAMES[options.correction]}"
    )
    margin = (
        "equivalence was not tested"
        if options.margin is None
        else f"equivalence was tested within ± {options.margin:g}"
    )
    return (
        f"The table of comparisons has {100 * (1 - options.alpha):g} % confidence intervals, "
        f"{adjusted}, and smallest detectable differences; {margin}."
    )


def _missing(material: Material) -> str:
    if material.lacking:
        gaps = plural(len(material.lacking), "gap")
        results = f"Incomplete runs were left out ({gaps}, listed below the tables)"
    else:
        results = "No planned result is missing"
    return f"{results}; missing imaging data are not recorded."


def _of_training(material: Material) -> Iterator[tuple[str, str]]:
    """What only an archive holds."""
    evidence: Any = material.evidence
    if evidence.source != "archive":
        return
    facts = reproducibility_facts(material)
    sources = [
        str(task["description"]) for task in evidence.tasks.values() if task.get("description")
    ]
    yield "technology", "Deep learning (convolutional networks) with transfer learning was used."
    yield "data", " ".join(sources)
    yield "partitions", _value(facts, "cross-validation")
    if material.sample["n_patients"].notna().all():
        yield "disjoint", "Partitions are disjoint by patient, which was verified on the archive."
    yield "model", _models(material)
    yield "software", _listed(facts, "Software that trained the models")
    yield "weights", "The reproducibility table has source, licence and SHA-256 of all weights."
    models = plural(len(evidence.cells), "model was", "models were")
    yield "training", f"{models} trained. {_listed(facts, 'Training')}"
    rules = {record["selection"]["rule"] for record in material.records}
    if rules and rules <= set(_RULES):
        yield "selection", " ".join(_RULES[rule] for rule in sorted(rules))
    yield "inputs", "The image was the only predictor."
    yield "preprocessing", _preprocessing(material)
    weights = {
        str(record.get("configuration", {}).get("training", {}).get("class_weights", ""))
        for record in material.records
    } - {""}
    if weights:
        yield "imbalance", " ".join(_CLASS_WEIGHTS.get(name, name) for name in sorted(weights))
    yield (
        "availability",
        f"The archive of scores has the SHA-256 {evidence.digest}; where it is available is not "
        "recorded.",
    )


_RULES = {
    "best-validation-auc": "For each model, the epoch with the highest AUC on its tuning cases was "
    "kept.",
    "last-epoch": "The last epoch of each model was kept.",
}
_CLASS_WEIGHTS = {
    "balanced": "Both classes had the same weight in the loss.",
    "none": "No class weights were used.",
}


def _listed(facts: pd.DataFrame, section: str) -> str:
    own = facts[facts["section"] == section]
    return "; ".join(f"{i}: {v}" for i, v in zip(own["item"], own["value"], strict=True))


def _value(facts: pd.DataFrame, item: str) -> str:
    found = facts.loc[facts["item"] == item, "value"]
    return str(found.iloc[0]) if len(found) else ""


def _models(material: Material) -> str:
    cells, labels = material.evidence.cells, material.labels
    parts = []
    for what, key, kind in (
        ("backbones", "backbone", "backbones"),
        ("heads", "head", "heads"),
        ("depths of training", "unfreeze", "unfreeze"),
    ):
        names = [labels.label(kind, name) for name in sorted(set(cells[key].astype(str)))]
        parts.append(f"{what}: {join_words(names)}")
    return sentence_case("; ".join(parts)) + "."


def _preprocessing(material: Material) -> str:
    scalings: dict[str, list[str]] = {}
    for record in material.records:
        scaling = record["weights"].get("preprocessing")
        if scaling:
            arms = scalings.setdefault(str(scaling), [])
            label = material.labels.arm(record["key"]["arm"])
            if label not in arms:
                arms.append(label)
    return " ".join(
        f"Images were {SCALINGS.get(scaling, f'scaled as {scaling}')} for "
        f"{join_words(sorted(arms))}."
        for scaling, arms in sorted(scalings.items())
    )
