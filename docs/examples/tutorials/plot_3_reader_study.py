"""
A reader study
==============

Several readers score the same cases without and with the help of a model. The question is whether
the help raises the *readers'* average AUC, for readers and patients other than those in the
study: a multi-reader multi-case (MRMC) analysis after Obuchowski and Rockette, with Hillis'
degrees of freedom.
"""

# %%
# The data
# --------
# Five readers, 120 patients, a rating from 0 to 100 in both conditions. Readers differ in skill and
# in how much the help changes.

import numpy as np
import pandas as pd

from stats_tl.stats import obuchowski_rockette_test

rng = np.random.default_rng(3)
n, readers = 120, ["Ames", "Brown", "Clark", "Davis", "Evans"]
y_true = (np.arange(n) % 3 == 0).astype(int)
difficulty = rng.normal(size=n)
scores = np.empty((2, len(readers), n))  # aided, unaided
for reader in range(len(readers)):
    skill = 1.0 + 0.2 * rng.normal()
    for arm, gain in enumerate((0.5 + 0.15 * rng.normal(), 0.0)):
        latent = (skill + gain) * y_true + 0.7 * difficulty + 0.8 * rng.normal(size=n)
        scores[arm, reader] = np.round(100 / (1 + np.exp(-latent)))

# %%
# With arrays
# -----------
# Arms × readers × cases; arm 0 is the candidate.

result = obuchowski_rockette_test(y_true, scores)
print(result)

# %%
# The AUC of every reader, and what varies:

print(pd.DataFrame(result.reader_estimates, index=["aided", "unaided"], columns=readers).round(3))
print(result.variance_components.round(5))

# %%
# If the conclusion is to be about these five readers only, say so; the test then treats the cases
# alone as random.

print(obuchowski_rockette_test(y_true, scores, readers="fixed"))

# %%
# From a table
# ------------
# The report takes the same data as a CSV with a column ``reader``, or a file of iMRMC
# (``.imrmc``) or OR-DBM MRMC (``.lrc``). Its words are then about readers and cases, and
# ``tables/readers`` has the AUC of each.

frame = pd.concat(
    pd.DataFrame(
        {
            "case": [f"case{i:03d}" for i in range(n)],
            "y_true": y_true,
            "arm": arm,
            "reader": readers[reader],
            "score": scores[a, reader],
        }
    )
    for a, arm in enumerate(("aided", "unaided"))
    for reader in range(len(readers))
)
frame.to_csv("readers.csv", index=False)

from stats_tl.report import main as report

command = "--scores readers.csv --reference unaided --out analysis/readers --format csv"
exit_code = report(command.split())
table = pd.read_csv("analysis/readers/tables/significance.csv")
table[["arm", "auc", "auc_reference", "difference", "pvalue", "test"]].round(4)

# %%
# How many readers and cases would the next study need? :func:`stats_tl.stats.mrmc_power` answers
# that from the variance components above; :doc:`plot_4_planning` shows how.
