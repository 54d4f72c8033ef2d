"""
Predictions from a CSV
======================

Your models are trained and evaluated elsewhere; what you have is a table of predictions. That is
enough for everything but the audit of the training.
"""

# %%
# The table
# ---------
# One row per case and model: ``case, y_true, arm, score``, and whatever else is known. Here two
# models, *old* and *new*, have scored 300 images of 200 patients in five repeats of five-fold
# cross-validation. The scanner of each image comes along as a covariate.

import numpy as np
import pandas as pd

rng = np.random.default_rng(11)
n_patients, repeats, folds = 200, 5, 5
patient = np.repeat(np.arange(n_patients), rng.integers(1, 3, n_patients))
y_true = (patient % 3 == 0).astype(int)
ease = y_true + 0.8 * rng.normal(size=n_patients)[patient] + 0.5 * rng.normal(size=len(patient))
frames = []
for repeat in range(repeats):
    fold = rng.permutation(np.arange(n_patients) % folds)[patient]
    for arm, noise in (("old", 0.9), ("new", 0.5)):
        frames.append(
            pd.DataFrame(
                {
                    "case": [f"image{i:03d}" for i in range(len(patient))],
                    "patient": [f"patient{p:03d}" for p in patient],
                    "y_true": y_true,
                    "arm": arm,
                    "repeat": repeat,
                    "fold": fold,
                    "score": (ease + noise * rng.normal(size=len(patient))).round(4),
                    "scanner": np.where(patient % 2, "A", "B"),
                }
            )
        )
predictions = pd.concat(frames, ignore_index=True)
predictions.to_csv("predictions.csv", index=False)
predictions.head(3)

# %%
# The command
# -----------
# In a terminal:
# ``python -m stats_tl.report --scores predictions.csv --reference old --margin 0.02``.

from stats_tl.report import main as report

command = (
    "--scores predictions.csv --reference old --margin 0.02 --subgroups scanner --out analysis/mine"
)
exit_code = report(command.split())

# %%
# The paragraphs for the paper say what was done, and nothing that was not:

from pathlib import Path

print(Path("analysis/mine/results.md").read_text())

# %%
# In Python
# ---------
# The same with frames in and frames out:

from stats_tl.reporting import AnalysisOptions, Predictions, compare_arms

options = AnalysisOptions(reference="old", margin=0.02)
table = compare_arms(Predictions(predictions).scores(partition="test"), "old", options=options)
table[["arm", "auc", "auc_reference", "difference", "difference_low", "difference_high", "pvalue"]]

# %%
# Other layouts
# -------------
# A *wide* table has one row per case and a column of scores for each model. ``--arms`` names these
# columns and ``--columns`` the others (:doc:`/from_your_tool`):

wide = predictions.pivot(
    index=["case", "patient", "y_true", "repeat", "fold"], columns="arm", values="score"
).reset_index()
wide = wide.rename(columns={"case": "image_id", "y_true": "cancer", "old": "p_old", "new": "p_new"})
wide.to_csv("wide.csv", index=False)
command = (
    "--scores wide.csv --reference old --arms old=p_old,new=p_new"
    " --columns case=image_id,y_true=cancer --out analysis/wide --format csv"
)
exit_code = report(command.split())
