"""
A tour of ``stats_tl.stats``
============================

The statistics take arrays and need no archive and no plan. :doc:`/which_test` says which test
answers which question; this page shows one of each kind on made-up scores.
"""

# %%
# One data set for the whole page: 150 patients with one or two images each, and the scores of two
# models, of which *a* sees a little more.

import numpy as np
import pandas as pd

from stats_tl import stats

rng = np.random.default_rng(20)
patient = np.repeat(np.arange(150), rng.integers(1, 3, 150))
y_true = (patient % 3 == 0).astype(int)
n = len(patient)
shared = 1.1 * y_true + 0.7 * rng.normal(size=150)[patient]
a = shared + 0.6 * rng.normal(size=n)
b = shared + 1.2 * rng.normal(size=n)

# %%
# One model
# ---------
# The interval is DeLong's, on the logit scale if wished, and clustered by patient with `groups`.

print(stats.roc_auc(y_true, a, groups=patient))

# %%
# Two fitted models on the same patients
# --------------------------------------
# The first line of a result says what was tested and what is random; with `groups` that is the
# patients. Without it, the two images of a patient would count as independent.

result = stats.delong_test(y_true, a, b, groups=patient)
print(result)

# %%
# A result is an object with unrounded numbers:

low, high = result.confidence_interval
print(f"{result.estimate:.4f} ({low:.4f} to {high:.4f}), p = {result.pvalue:.2g}")

# %%
# Resampling confirms it without the normal approximation:

print(stats.permutation_auc_test(y_true, a, b, groups=patient, n_resamples=2000, rng=1))

# %%
# 'Not significant' is not 'equal'
# --------------------------------
# Two one-sided tests against a margin that was fixed beforehand:

print(stats.equivalence_test(result, margin=0.02))

# %%
# Two training procedures
# -----------------------
# If the question is which way of *training* is better, the models have to be trained several times.
# Here are the out-of-fold scores of five repeats of five-fold cross-validation, of shape
# (repeats, cases).

folds = np.stack([rng.permutation(np.arange(150) % 5)[patient] for _ in range(5)])
scores_a = shared + 0.6 * rng.normal(size=(5, n))
scores_b = shared + 1.2 * rng.normal(size=(5, n))
print(stats.repeated_cv_test(y_true, scores_a, scores_b, folds, groups=patient))

# %%
# The habit to avoid: a t test over the 25 folds, which takes overlapping trainings for independent
# ones, so that its p value is too small: under repeated cross-validation it finds a 'difference'
# between equally good procedures in 26 to 81 % of data sets (:doc:`/studies/calibration`).

folds_of_a, folds_of_b = (
    [
        stats.roc_auc(y_true[fold == k], scores[fold == k]).estimate
        for scores, fold in zip(runs, folds, strict=True)
        for k in range(5)
    ]
    for runs in (scores_a, scores_b)
)
print(f"for comparison only: p = {stats.paired_ttest(folds_of_a, folds_of_b).pvalue:.1e}")

# %%
# Fixed thresholds
# ----------------
# Sensitivity and specificity at a threshold that was fixed on tuning cases; McNemar's test compares
# two models, each at its own threshold.

tuning = rng.integers(0, 2, 200)
cut_a = stats.youden_threshold(tuning, 1.1 * tuning + 0.9 * rng.normal(size=200))
cut_b = stats.youden_threshold(tuning, 1.1 * tuning + 1.4 * rng.normal(size=200))
print(stats.sensitivity_specificity(y_true, a, cut_a, groups=patient))
print(stats.mcnemar_test((a >= cut_a) == y_true, (b >= cut_b) == y_true, groups=patient))

# %%
# Several tasks
# -------------
# A linear mixed model with lme4's formulas: fold AUCs of two arms on eight tasks, with a random
# intercept and a random effect of the arm for every task. Kenward and Roger's degrees of freedom
# take the eight tasks for what they are.

tasks = pd.DataFrame(
    [
        {"task": task, "arm": arm, "auc": 0.8 + level + (arm == "a") * gain + rng.normal(0, 0.01)}
        for task, level, gain in zip(
            "ABCDEFGH", rng.normal(0, 0.05, 8), rng.normal(0.02, 0.015, 8), strict=True
        )
        for arm in ("a", "b")
        for fold in range(5)
    ]
)
model = stats.fit_mixed_model("auc ~ arm + (1 + arm | task)", tasks)
print(model.contrast("armb"))

# %%
# The same by ranks, and an effect size that anyone can picture:

wide = tasks.pivot_table(index="task", columns="arm", values="auc")
print(stats.wilcoxon_test(wide["a"], wide["b"]))
print(stats.hodges_lehmann(wide["a"], wide["b"]))

# %%
# Several comparisons at once
# ---------------------------

print(stats.adjust_pvalues([0.003, 0.02, 0.04, 0.3], "holm"))
