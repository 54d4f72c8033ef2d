"""Size of the repeated cross-validation test with metrics other than the AUC.

    python analysis/calibration/other_metrics.py --datasets 300 --seed 5

Both arms see features alike in distribution (half of the noise in common) and fit logistic
regression, or ridge regression for absolute errors: equally good procedures. The class of a
case is random. One row a design and metric: rejections of the true null at 5 % by the test ("auto")
and by Nadeau and Bengio's, coverage of the 95 % interval, and the mean estimated variance over
the variance of the estimates. Five repeats.
"""

from __future__ import annotations

import numpy as np
from metric_sizes import Outcome, outcome, run
from scipy.special import expit

from stats_tl.stats import (
    Metric,
    get_metric,
    repeated_cv_components,
)

REPEATS = 5
#: Name: cases, folds, features, distance of the classes, penalty, patients of so many cases.
DESIGNS = {
    "n 200, 5 folds, 8 features": (200, 5, 8, 1.6, 1.0, 1),
    "n 400, 10 folds, 20 features": (400, 10, 20, 1.6, 1.0, 1),
    "n 400, 5 folds, 60 features": (400, 5, 60, 1.8, 1.0, 1),
    "n 800, 5 folds, 20 features": (800, 5, 20, 1.6, 1.0, 1),
    "n 400, 5 folds, 20 features, 2 images a patient": (400, 5, 20, 1.6, 1.0, 2),
}
CUT = 0.35
METRICS: dict[str, tuple[Metric, float | None]] = {
    metric.label: (metric, CUT if metric.needs == "decisions" else None)
    for metric in (
        get_metric("roc_auc"),
        get_metric("brier_score"),
        get_metric("log_loss"),
        get_metric("average_precision"),
        get_metric("partial_auc"),
        get_metric("accuracy"),
        get_metric("balanced_accuracy"),
        get_metric("f1"),
        get_metric("matthews_corrcoef"),
        get_metric("sensitivity"),
        get_metric("specificity"),
        get_metric("ppv"),
        get_metric("npv"),
        get_metric("sensitivity_at_specificity", specificity=0.8),
        get_metric("net_benefit", threshold=CUT),
        get_metric("calibration_intercept"),
        get_metric("calibration_slope"),
    )
}
ABSOLUTE = "mean absolute error"


def logistic(x: np.ndarray, y: np.ndarray, train: np.ndarray, penalty: float) -> np.ndarray:
    """Probabilities of all cases by models fitted to the rows of `train`, (models, n)."""
    x = np.c_[x, np.ones(len(x))]
    shrink = np.append(np.full(x.shape[1] - 1, penalty), 1e-6)
    w = np.zeros((len(train), x.shape[1]))
    for _ in range(8):
        p = expit(w @ x.T)
        gradient = (train * (p - y)) @ x + shrink * w
        hessian = np.stack([(x.T * row) @ x for row in train * p * (1 - p)]) + np.diag(shrink)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        w -= step
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(expit(w @ x.T))


def ridge(x: np.ndarray, y: np.ndarray, train: np.ndarray, penalty: float) -> np.ndarray:
    x = np.c_[x, np.ones(len(x))]
    shrink = np.diag(np.append(np.full(x.shape[1] - 1, penalty), 1e-6))
    w = [np.linalg.solve((x.T * row) @ x + shrink, x.T @ (row * y)) for row in train]
    return np.asarray(np.stack(w) @ x.T)


def folds_of(n: int, k: int, size: int, rng: np.random.Generator) -> np.ndarray:
    patient = np.arange(n) // size
    return np.stack([(rng.permutation(n // size) % k)[patient] for _ in range(REPEATS)])


def draw(design: tuple, rng: np.random.Generator) -> tuple:
    """Labels, outcome, folds, and out-of-fold values of both arms for classes and outcome."""
    n, k, p, gap, penalty, size = design
    patient = np.arange(n) // size
    of_patient = rng.standard_normal((n // size, p))[patient]
    y = (rng.random(n // size) < 0.35)[patient]
    z = rng.standard_normal((3, n, p))
    common = (np.sqrt(0.5) * of_patient + np.sqrt(0.5) * z[0]) if size > 1 else z[0]
    signal = y[:, None] * np.full(p, gap / np.sqrt(p))
    views = [np.sqrt(0.5) * (common + own) + signal for own in z[1:]]
    outcome = 2.0 * y + common[:, :4].sum(axis=1) / 2 + rng.standard_normal(n)
    folds = folds_of(n, k, size, rng)
    train = (folds[:, None] != np.arange(k)[:, None]).reshape(-1, n).astype(float)
    keep = (np.arange(REPEATS)[:, None], folds, np.arange(n))
    arms = []
    for view in views:
        probabilities = logistic(view, y, train, penalty).reshape(REPEATS, k, n)[keep]
        predicted = ridge(view, outcome, train, penalty).reshape(REPEATS, k, n)[keep]
        arms.append((np.clip(probabilities, 1e-6, 1 - 1e-6), np.abs(predicted - outcome)))
    return y, folds, arms, patient if size > 1 else None


def tests(y, folds, arms, groups) -> dict[str, Outcome]:
    found = {}
    (a, error_a), (b, error_b) = arms
    rows = {name: (y, a, b, *own) for name, own in METRICS.items()}
    rows[ABSOLUTE] = (None, error_a, error_b, get_metric("mean", higher_is_better=False), None)
    for name, (labels, one, other, metric, cut) in rows.items():
        try:
            parts = repeated_cv_components(
                labels, one, other, folds, metric=metric, threshold=cut, groups=groups
            )
        except ValueError:  # not defined in a fold
            continue
        found[name] = outcome(parts)
    return found


if __name__ == "__main__":
    run(__doc__.splitlines()[0], DESIGNS, draw, tests, datasets=300, seed=5)
