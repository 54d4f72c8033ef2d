"""
ROC curves
==========

Mean curves over folds and repeats. The band is for new patients, clustered by patient and
pointwise; thin lines are the lowest and the highest repeat.
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
# ``roc_data`` computes, ``draw_roc`` draws into any Axes:

import matplotlib.pyplot as plt

from stats_tl.reporting.figures import curve_settings, draw_roc, roc_data

settings, _ = curve_settings(material)
data = roc_data(settings[0])
fig, ax = plt.subplots(figsize=(3.5, 3.5), layout="constrained")
draw_roc(data, ax=ax, reference="ImageNet")
ax.set(xlabel="1 − specificity", ylabel="Sensitivity")
plt.show()
