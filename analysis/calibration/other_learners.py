"""Size of the primary test with learners that the plan of the study does not have.

    python analysis/calibration/other_learners.py --datasets 300 --seed 77

Both arms see features alike in distribution (half of the noise in common) and train alike, so that
the procedures are equally good; in the two designs marked with a star they are not, and the mean
estimate takes the place of the truth. One row a design: rejections of the true null at 5 %, and the
mean estimated variance over the variance of the estimates, without and with half-sample repeats.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np
from scipy import stats
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from stats_tl.calibration.learners import network, parzen, random_relu, ridge
from stats_tl.calibration.simulate import stratified_folds
from stats_tl.stats import repeated_cv_test

Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]


def each(fit: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Train and predict fold by fold."""

    def run(
        x: np.ndarray, y: np.ndarray, folds: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        scores = np.empty(folds.shape)
        for row, out in zip(folds, scores, strict=True):
            for k in np.unique(row):
                test = row == k
                out[test] = fit(x[~test], y[~test], x[test], rng)
        return scores

    return run


def logistic(x: np.ndarray, y: np.ndarray, new: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Logistic regression with a ridge penalty of 1, by Newton's method."""
    x = np.c_[x, np.ones(len(x))]
    penalty = np.append(np.ones(x.shape[1] - 1), 1e-6)
    w = np.zeros(x.shape[1])
    for _ in range(7):
        p = expit(x @ w)
        hessian = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, x.T @ (p - y) + penalty * w)
        w -= step
        if np.abs(step).max() < 1e-4:
            break
    return np.asarray(new @ w[:-1])


def tree(depth: int | None, leaf: int) -> Callable[..., np.ndarray]:
    def fit(x: np.ndarray, y: np.ndarray, new: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        model = DecisionTreeClassifier(
            max_depth=depth, min_samples_leaf=leaf, random_state=int(rng.integers(2**31))
        )
        return np.asarray(model.fit(x, y).predict_proba(new)[:, 1])

    return each(fit)


def forest(x: np.ndarray, y: np.ndarray, new: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    model = RandomForestClassifier(
        10, min_samples_leaf=2, random_state=int(rng.integers(2**31)), n_jobs=1
    )
    return np.asarray(model.fit(x, y).predict_proba(new)[:, 1])


def nearest(x: np.ndarray, y: np.ndarray, new: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of positives among the 15 nearest."""
    distance = (new**2).sum(axis=1)[:, None] + (x**2).sum(axis=1) - 2 * new @ x.T
    return np.asarray(y[np.argpartition(distance, 15, axis=1)[:, :15]].mean(axis=1))


def selected(number: int) -> Callable[..., np.ndarray]:
    """Logistic regression on the features that differ most, chosen inside the fold."""

    def fit(x: np.ndarray, y: np.ndarray, new: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        apart = np.abs(x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0)) / x.std(axis=0)
        kept = np.argpartition(-apart, number)[:number]
        return logistic(x[:, kept], y, new[:, kept], rng)

    return each(fit)


def ready(x: np.ndarray, y: np.ndarray, folds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A score that was there before."""
    return np.broadcast_to(x[:, 0], folds.shape).copy()


def gaussian(
    p: int, gap: float, *, prevalence: float = 0.35, shared: float = 0.5,
    informative: int | None = None, skewed: bool = False,
) -> Draw:  # fmt: skip
    k = informative or p
    mean = np.where(np.arange(p) < k, gap / np.sqrt(k), 0.0)

    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        y = rng.permutation((np.arange(n) < round(prevalence * n)).astype(int))
        z = rng.standard_normal((3, n, p))
        views = [
            np.sqrt(shared) * z[0] + np.sqrt(1 - shared) * own + y[:, None] * mean for own in z[1:]
        ]
        if skewed:
            views = [np.exp(0.7 * view) for view in views]
        return y, views[0], views[1]

    return draw


def exclusive_or(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The label is the product of two signs, with a little of it in a third feature."""
    y = rng.permutation((np.arange(n) < round(0.5 * n)).astype(int))
    z = rng.standard_normal((3, n, 6))
    sign = rng.choice([-1, 1], n)
    mean = np.zeros((n, 6))
    mean[:, 0], mean[:, 1], mean[:, 2] = sign, np.where(y == 1, sign, -sign), 0.4 * y
    first, second = (np.sqrt(0.3) * z[0] + np.sqrt(0.7) * own + mean for own in z[1:])
    return y, first, second


def weak(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sixty weak features, and a score made of none of them."""
    y = rng.permutation((np.arange(n) < round(0.35 * n)).astype(int))
    x = rng.standard_normal((n, 60)) + y[:, None] * 1.6 / np.sqrt(60)
    return y, x, (y * 1.05 + rng.standard_normal(n))[:, None]


#: Name: population, cases, folds, learners of both arms.
DESIGNS: dict[str, tuple[Draw, int, int, Callable[..., np.ndarray], Callable[..., np.ndarray]]] = {
    "ridge, 512 features": (gaussian(512, 2.2), 400, 5, ridge, ridge),
    "logistic, 60 features": (gaussian(60, 1.8), 200, 5, each(logistic), each(logistic)),
    "network": (gaussian(20, 1.6), 200, 5, network, network),
    "tree of depth 3, XOR": (exclusive_or, 200, 5, tree(3, 5), tree(3, 5)),
    "deep tree, skewed": (gaussian(10, 1.6, skewed=True), 400, 5, tree(None, 3), tree(None, 3)),
    "forest of 10 trees": (gaussian(10, 1.4), 200, 5, each(forest), each(forest)),
    "15 nearest neighbours": (gaussian(10, 1.4), 400, 5, each(nearest), each(nearest)),
    "8 of 40 selected": (gaussian(40, 1.3, informative=12), 400, 5, selected(8), selected(8)),
    "10 of 200 selected": (gaussian(200, 1.5, informative=40), 800, 5, selected(10), selected(10)),
    "ridge, 8 features": (gaussian(8, 1.2), 400, 5, ridge, ridge),
    "ridge, 20 features": (gaussian(20, 1.2, prevalence=0.27), 780, 5, ridge, ridge),
    "random layer": (gaussian(20, 1.4), 400, 5, random_relu, random_relu),
    "Parzen": (gaussian(20, 1.4), 400, 5, parzen, parzen),
    "rare positives": (gaussian(12, 1.6, prevalence=0.08), 600, 5, each(logistic), each(logistic)),
    "AUC .99": (gaussian(20, 3.6), 400, 5, ridge, ridge),
    "AUC .62": (gaussian(20, 0.6), 400, 5, ridge, ridge),
    "logistic, neighbours *": (gaussian(10, 1.4), 400, 5, each(logistic), each(nearest)),
    "60 weak features, score *": (weak, 400, 5, each(logistic), ready),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--datasets", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--only", default="", help="designs whose name holds this")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"| {'design':26} | cases | rejects | V / true | with half-samples | V / true | warned |")
    print(f"|{'-' * 28}|---|---|---|---|---|---|")
    for name, (draw, n, k, first, second) in DESIGNS.items():
        if options.only not in name:
            continue
        found = []
        for number in range(options.datasets):
            rng = np.random.default_rng([options.seed, number, *name.encode()])
            y, *views = draw(n, rng)
            runs = []
            for folds, repeats in ((k, options.repeats), (2, 5)):
                split, seed = stratified_folds(y, folds, repeats, rng), int(rng.integers(2**62))
                runs.append(
                    [
                        learner(view, y, split, np.random.default_rng(seed))
                        for learner, view in zip((first, second), views, strict=True)
                    ]
                    + [split]
                )
            tests = [repeated_cv_test(y, *runs[0], half=half) for half in (None, tuple(runs[1]))]
            found.append([(t.estimate, t.standard_error, t.df, bool(t.warnings)) for t in tests])
        table = np.array(found, dtype=float)  # data sets, tests, columns
        error = table[..., 0] - (table[:, :1, 0].mean() if name.endswith("*") else 0.0)
        pvalues = 2 * stats.t.sf(np.abs(error) / table[..., 1], table[..., 2])
        size = 100 * (pvalues < 0.05).mean(axis=0)
        ratio = (table[..., 1] ** 2).mean(axis=0) / (error**2).mean(axis=0)
        print(
            f"| {name:26} | {n} | {size[0]:.1f} | {ratio[0]:.2f} | {size[1]:.1f} | "
            f"{ratio[1]:.2f} | {100 * table[:, 0, 3].mean():.0f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
