"""
Ranks over tasks
================

Average ranks of several methods over several tasks. Thick bars join methods whose ranks differ by
less than Nemenyi's critical difference.
"""

# %%
# Mean AUCs of four methods on nine tasks, made up:

import numpy as np
import pandas as pd

rng = np.random.default_rng(2)
methods = {"random": 0.0, "ImageNet": 0.06, "RadImageNet": 0.07, "own": 0.11}
table = pd.DataFrame(
    {name: 0.72 + gain + rng.normal(0, 0.02, 9) for name, gain in methods.items()},
    index=[f"task {number}" for number in range(1, 10)],
)
print(table.round(3).head(3))

# %%
# The figure takes the table; ``ranks_data`` and ``draw_ranks`` are its parts.

from stats_tl.reporting.figures import ranks_figure

figure = ranks_figure(table)
figure
