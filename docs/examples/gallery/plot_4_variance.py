"""
Where the variance comes from
=============================

Patients as test cases and as training cases, a share that no number of repeats reduces; splits and
training runs, a share that falls with the number of repeats.
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
# The lower bars are the shares in the mixed model of the folds' AUCs:

from stats_tl.reporting.figures import variance_data, variance_figure

layout, parts = variance_data(material.comparisons, material.components)
figure = variance_figure(layout, parts, material.mixed.variance_components)
figure
