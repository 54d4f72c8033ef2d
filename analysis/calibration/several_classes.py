"""Size of the repeated cross-validation test with several classes and with grades.

    python analysis/calibration/several_classes.py --datasets 200 --seed 3

Both arms see features alike in distribution (half of the noise in common) and fit ridge regression
of every class against the rest: equally good procedures. Classes have unequal shares and lie on a
line, so that they are grades, too: the grade is the class of the highest score. Folds are
stratified by class. One row a design and metric: rejections of the true null at 5 % by the test
("auto") and by Nadeau and Bengio's, coverage of the 95 % interval, and the mean estimated
variance over the variance of the estimates. Five repeats.
"""

from __future__ import annotations

import numpy as np
from metric_sizes import Outcome, outcome, run

from stats_tl.stats import repeated_cv_components

REPEATS = 5
#: Name: cases, folds, features, shares of the classes, distance of neighbours, cases a patient.
DESIGNS = {
    "n 300, 5 folds, 8 features, 3 classes": (300, 5, 8, (0.5, 0.3, 0.2), 1.2, 1),
    "n 500, 5 folds, 30 features, 4 classes": (500, 5, 30, (0.4, 0.3, 0.2, 0.1), 1.2, 1),
    "n 400, 5 folds, 8 features, 3 classes, 2 images a patient": (
        400, 5, 8, (0.5, 0.3, 0.2), 1.2, 2,
    ),
}  # fmt: skip
METRICS = {
    "macro one-versus-rest AUC": "roc_auc_ovr",
    "Hand–Till M": "roc_auc_ovo",
    "quadratic kappa": "quadratic_kappa",
}


def stratified(labels: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    folds = np.empty(labels.size, dtype=int)
    for own in np.unique(labels):
        rows = np.flatnonzero(labels == own)
        folds[rows] = rng.permutation(np.arange(rows.size) % k)
    return folds


def out_of_fold(
    x: np.ndarray, targets: np.ndarray, folds: np.ndarray, k: int, penalty: float = 1.0
) -> np.ndarray:
    """Scores of the classes, (repeats, n, classes), by ridge regression on the other folds."""
    x = np.c_[x, np.ones(len(x))]
    shrink = np.diag(np.append(np.full(x.shape[1] - 1, penalty), 1e-6))
    scores = np.empty((len(folds), *targets.shape))
    for repeat, fold in enumerate(folds):
        for own in range(k):
            tested = fold == own
            train = x[~tested]
            weights = np.linalg.solve(train.T @ train + shrink, train.T @ targets[~tested])
            scores[repeat, tested] = x[tested] @ weights
    return scores


def draw(design: tuple, rng: np.random.Generator) -> tuple:
    """Classes, folds, scores of both arms, patients."""
    n, k, p, shares, gap, size = design
    patient = np.arange(n) // size
    of_patient = rng.choice(len(shares), size=n // size, p=shares)
    y = of_patient[patient]
    z = rng.standard_normal((3, n, p))
    if size > 1:
        shared = rng.standard_normal((n // size, p))[patient]
        z[0] = np.sqrt(0.5) * (shared + z[0])
    folds = np.stack([stratified(of_patient, k, rng)[patient] for _ in range(REPEATS)])
    signal = gap * y[:, None] * np.full(p, 1 / np.sqrt(p))
    targets = np.eye(len(shares))[y]
    arms = [out_of_fold(np.sqrt(0.5) * (z[0] + own) + signal, targets, folds, k) for own in z[1:]]
    return y, folds, arms, patient if size > 1 else None


def tests(y, folds, arms, groups) -> dict[str, Outcome]:
    found = {}
    for name, metric in METRICS.items():
        a, b = arms
        if metric == "quadratic_kappa":
            a, b = a.argmax(axis=2), b.argmax(axis=2)
        parts = repeated_cv_components(y, a, b, folds, metric=metric, groups=groups)
        found[name] = outcome(parts)
    return found


if __name__ == "__main__":
    run(__doc__.splitlines()[0], DESIGNS, draw, tests, datasets=200, seed=3)
