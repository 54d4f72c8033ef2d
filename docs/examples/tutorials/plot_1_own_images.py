"""
Your own images to a table
==========================

Two kinds of pretraining are compared on images of your own: a CSV lists the images, a plan says
what is compared, one command trains, another reports. Here the images are drawn by the script and
the plan is tiny, so that everything takes seconds. With real images only the numbers change.
"""

# %%
# The images and their list
# -------------------------
# 48 grey images of 24 patients; a *malignant* one has a bright blob. The CSV has one row per image
# with its path, its label and its patient. The patient matters most: with it, no split puts
# images of one patient on both sides.

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

rng = np.random.default_rng(7)
Path("nodules").mkdir(exist_ok=True)
rows = []
for patient in range(24):
    malignant = patient % 2 == 0
    for view in range(2):
        pixels = rng.normal(100, 25, (64, 64))
        if malignant:
            down, right = rng.integers(8, 40, 2)
            pixels[down : down + 16, right : right + 16] += 60
        name = f"p{patient:02d}_{view}.png"
        Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(Path("nodules", name))
        rows.append(
            {
                "path": name,
                "label": "malignant" if malignant else "benign",
                "patient_id": f"p{patient:02d}",
            }
        )
pd.DataFrame(rows).to_csv("nodules/nodules.csv", index=False)
pd.read_csv("nodules/nodules.csv").head(4)

# %%
# The plan
# --------
# A study is one TOML file; :doc:`/plan` explains every key. ``source`` would usually be
# ``"imagenet"`` and ``"radimagenet"``. Two random initialisations take their place here, since
# they need no download: whatever difference turns up between them is due to chance.

plan = """
[study]
name = "nodules"
seed = 1

[[tasks]]
name = "nodules"
adapter = "csv"
path = "nodules/nodules.csv"
options = { positive = "malignant", patient = "patient_id" }

[cv]
folds = 3
repeats = 2

[[arms]]
name = "first"
source = "random"
reference = true

[[arms]]
name = "second"
source = "random"

[[grid]]
backbones = ["squeezenet1_1"]
heads = ["linear"]
training = { standardize = true }

[training]
epochs = 4
batch_size = 16
image_size = 32

[analysis]
margin = 0.05
primary = { backbone = "squeezenet1_1", head = "linear", arm = "second" }
"""
with Path("nodules.toml").open("w") as file:
    file.write(plan)

# %%
# What it would do
# ----------------
# In a terminal this is ``python -m stats_tl.run_grid --plan nodules.toml --dry-run``. Nothing is
# trained; the estimate of the time is for this machine.

from stats_tl.run_grid import main as run_grid

exit_code = run_grid(["--plan", "nodules.toml", "--jobs", "1", "--dry-run"])

# %%
# Training
# --------
# ``python -m stats_tl.run_grid --plan nodules.toml``. It can be interrupted at any moment: what
# is finished is kept, and the same command continues.

exit_code = run_grid(["--plan", "nodules.toml", "--jobs", "1"])

# %%
# The report
# ----------
# ``python -m stats_tl.report --runs runs/nodules``. Everything is written to
# ``analysis/nodules``; the table of comparisons is also printed.

from stats_tl.report import main as report

exit_code = report(["--runs", "runs/nodules", "--out", "analysis/nodules", "--format", "latex,csv"])

# %%
# The same table with unrounded numbers, for a notebook:

table = pd.read_csv("analysis/nodules/tables/significance.csv")
table[["arm", "reference", "auc", "auc_reference", "difference", "pvalue", "verdict"]].round(3)

# %%
# And ready for the paper:

print(Path("analysis/nodules/tables/significance.tex").read_text()[:900])

# %%
# The archive
# -----------
# ``runs/nodules`` keeps the score of every case under every model, so that no later analysis needs
# a model to be trained again (:doc:`/archive`).

from stats_tl.archive import load

archive = load("runs/nodules")
archive.scores(partition="test").head(3)
