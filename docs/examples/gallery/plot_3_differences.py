"""
Differences of folds and repeats
================================

A dot is the difference in one fold, a bar the mean of a repeat, the line the mean of all. The
spread of the dots is not the standard error: folds share training data.
"""

# %%
# Predicted probabilities of two arms in five repeats of five-fold cross-validation, made up, with
# the columns that a CSV of predictions would have:

import numpy as np
import pandas as pd

from stats_tl.reporting import AnalysisOptions, Predictions, gather_material

rng = np.random.default_rng(5)
patient = np.repeat(np.arange(180), rng.integers(1, 3, 180))
y_true = (patient % 3 == 0).astype(int)
ease = y_true + 0.7 * rng.normal(size=180)[patient] + 0.4 * rng.normal(size=len(patient))
cases = pd.DataFrame({"case": np.arange(len(patient)), "patient": patient, "y_true": y_true})
frames = []
for repeat in range(5):
    fold = rng.permutation(np.arange(180) % 5)[patient]
    for arm, noise, shift in (("imagenet", 1.0, -1.1), ("radimagenet", 0.6, -1.3)):
        logit = 1.2 * (ease + noise * rng.normal(size=len(patient))) + shift
        score = 1 / (1 + np.exp(-logit))
        frames.append(cases.assign(arm=arm, repeat=repeat, fold=fold, score=score))
scores = pd.concat(frames, ignore_index=True)
options = AnalysisOptions(reference="imagenet", margin=0.03)
material = gather_material(Predictions(scores), options)

# %%
# ``material.components`` has the folds and runs of every comparison:

from stats_tl.reporting.figures import differences_figure

figure = differences_figure(material.comparisons, material.components)
figure
