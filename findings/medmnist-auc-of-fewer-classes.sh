#!/usr/bin/env bash
# Version:   medmnist 3.0.2, scikit-learn 1.7.2, numpy 2.3.3
# Behaviour: MedMNIST's evaluator takes the AUC of several classes as the mean over the columns of
#            the scores. Scores that lack a class are accepted, and the mean over the classes that
#            are there may be far higher than the mean over all. Its own `get_dummy_prediction`
#            makes such scores: it counts classes by the highest label, which is one too few.
#            Expected a refusal, as scikit-learn gives. The AUC of all columns is scikit-learn's
#            one-versus-rest macro average.
# Seen:      all 3 classes: MedMNIST 0.893, scikit-learn 0.893
#            without the last: MedMNIST 0.958, scikit-learn ValueError
#            columns of a dummy prediction for 3 classes: 2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q scikit-learn==1.7.2 numpy==2.3.3 pandas==2.3.3
"$work/venv/bin/pip" install -q --no-deps medmnist==3.0.2  # without torch, which it needs for data sets only
"$work/venv/bin/python" - <<'PYTHON'
import importlib.util
import sys
import types

import numpy as np
from sklearn.metrics import roc_auc_score

# The package without its data sets, which import torch.
package = types.ModuleType("medmnist")
package.__path__ = list(importlib.util.find_spec("medmnist").submodule_search_locations)
sys.modules["medmnist"] = package
from medmnist.evaluator import Evaluator, getAUC

rng = np.random.default_rng(0)
y = rng.integers(0, 3, (300, 1))
scores = np.eye(3)[y[:, 0]] * np.array([2, 1, 0]) + rng.random((300, 3))
scores /= scores.sum(axis=1, keepdims=True)

whole, sklearn = getAUC(y, scores, "multi-class"), roc_auc_score(y[:, 0], scores, multi_class="ovr")
print(f"all 3 classes: MedMNIST {whole:.3f}, scikit-learn {sklearn:.3f}")
fewer = getAUC(y, scores[:, :2], "multi-class")
try:
    roc_auc_score(y[:, 0], scores[:, :2], multi_class="ovr")
    said = "accepted"
except ValueError:
    said = "ValueError"
print(f"without the last: MedMNIST {fewer:.3f}, scikit-learn {said}")

evaluator = Evaluator.__new__(Evaluator)
evaluator.labels, evaluator.info = y, {"task": "multi-class"}
columns = evaluator.get_dummy_prediction().shape[1]
print(f"columns of a dummy prediction for 3 classes: {columns}")
assert abs(whole - sklearn) < 1e-12 and fewer > whole + 0.05
assert said == "ValueError" and columns == 2
PYTHON
