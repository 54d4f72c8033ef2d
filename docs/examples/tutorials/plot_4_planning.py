"""
Planning a study
================

Before any data exist: what could a study of this size detect, and how large should it be?
"""

# %%
# Repeated cross-validation
# -------------------------
# 400 patients, 27 % with the disease, an AUC of about 0.80, and a difference of 0.04 that would
# matter. In a terminal:
# ``python -m stats_tl.report --design n=400,prevalence=0.27,auc=0.8,difference=0.04``.

from stats_tl.report import main as report

exit_code = report(["--design", "n=400,prevalence=0.27,auc=0.8,difference=0.04"])

# %%
# The same in Python, for several sizes. Assumptions are arguments: the correlation between the
# arms' scores, the variance that splits and training add, the slope of the learning curve.

import pandas as pd

from stats_tl.stats import repeated_cv_design

designs = [
    repeated_cv_design(n, prevalence=0.27, auc=0.80, difference=0.04) for n in (200, 400, 800, 1600)
]
pd.DataFrame(
    {
        "patients": [design.n_units for design in designs],
        "power": [design.power for design in designs],
        "detectable difference": [design.smallest_detectable_difference for design in designs],
    }
).round(3)

# %%
# Two fitted models on an external test set
# -----------------------------------------
# For models that are already trained, the sample size of DeLong's test: .80 against .85, a
# correlation of .5 between their scores, 30 % of the cases positive.

from stats_tl.stats import delong_power, delong_sample_size

n_positive, n_negative = delong_sample_size(0.85, 0.80, prevalence=0.3, correlation=0.5)
print(n_positive, "positive and", n_negative, "negative cases")
print(f"power: {delong_power(0.85, 0.80, n_positive, n_negative, correlation=0.5):.3f}")

# %%
# A reader study
# --------------
# From the variance components of a pilot study with five readers and 120 cases
# (:doc:`plot_3_reader_study` estimates such components): more readers, or more cases?

from stats_tl.stats import mrmc_power

pilot = {
    "pilot_cases": 120,
    "arm_reader_variance": 2e-4,
    "error_variance": 1.1e-3,
    "cov1": 4.5e-4,
    "cov2": 4.5e-4,
    "cov3": 3.0e-4,
}
power = pd.DataFrame(
    {
        f"{n_cases} cases": {
            n_readers: mrmc_power(0.05, n_readers=n_readers, n_cases=n_cases, **pilot)
            for n_readers in (4, 6, 10, 16)
        }
        for n_cases in (100, 200, 400)
    }
).rename_axis("readers")
power.round(2)

# %%
# Drawn as a figure:

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(4.2, 3), layout="constrained")
for label, line, style in zip(power.columns, power.T.to_numpy(), ("o-", "s--", "^:"), strict=True):
    ax.plot(power.index, line, style, label=label)
ax.axhline(0.8, color="0.6", linewidth=0.8)
ax.set(xlabel="readers", ylabel="power for a difference of .05", ylim=(0, 1))
ax.legend(frameon=False)
plt.show()

# %%
# After a pilot with repeated cross-validation
# --------------------------------------------
# A finished study says more than assumptions do. :func:`stats_tl.stats.repeated_cv_components`
# estimates its variances and :func:`stats_tl.stats.simulate_design` simulates studies of another
# size from them. The report of such a study shows the same in its figure
# :doc:`detectable </gallery/plot_7_detectable>`.
