"""The Laplace deviance and its gradient against dense algebra written down directly."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import special

from stats_tl.stats.mixed.likelihood import arrow
from stats_tl.stats.mixed.likelihood.laplace import LaplaceCriterion
from stats_tl.stats.mixed.likelihood.laplace_search import maximise
from stats_tl.stats.mixed.specification.design import build_design
from stats_tl.stats.mixed.specification.formula import parse_formula

DESIGNS = {
    "one factor": "y ~ arm + (1 | case)",
    "crossed": "y ~ arm * x + (1 | case) + (1 | seed)",
    "nested and crossed": "y ~ arm + (1 | task / case) + (1 | seed)",
    "slopes": "y ~ arm + x + (x | case)",
    "slopes of both": "y ~ arm + x + (x | case) + (arm | seed)",
    "three effects": "y ~ x + (x + w | case) + (1 | seed)",
    "uncorrelated, offset": "y ~ arm + offset(w) + (x || case)",
}


def design(formula):
    rng = np.random.default_rng(5)
    n = 160
    data = pd.DataFrame({"case": rng.integers(0, 18, n), "seed": rng.integers(0, 5, n)})
    data["task"] = data["case"] % 3
    data["arm"] = rng.choice(["a", "b"], n)
    data["x"], data["w"] = rng.normal(size=(2, n))
    data["y"] = rng.integers(0, 2, n)
    return build_design(parse_formula(formula), data)


def criterion_of(made):
    zs = [term.z for term in made.random]
    return LaplaceCriterion(made.random, zs, made.fixed.matrix, made.y, made.fixed.offset)


def dense_deviance(made, factors, beta):
    """Newton's method on the joint density with Z as a matrix, to the last digit."""
    A = np.hstack(
        [
            (np.eye(term.n_levels)[term.codes][:, :, None] * (term.z @ L)[:, None]).reshape(
                len(made.y), -1
            )
            for term, L in zip(made.random, factors, strict=True)
        ]
    )
    fixed = made.fixed.offset + made.fixed.matrix @ beta
    u = np.zeros(A.shape[1])
    for _ in range(12):
        p = special.expit(fixed + A @ u)
        H = A.T @ ((p * (1 - p))[:, None] * A) + np.eye(len(u))
        u = u + np.linalg.solve(H, A.T @ (made.y - p) - u)
    eta = fixed + A @ u
    p = special.expit(eta)
    H = A.T @ ((p * (1 - p))[:, None] * A) + np.eye(len(u))
    log_density = made.y @ eta - np.logaddexp(0, eta).sum()
    return -2 * log_density + u @ u + np.linalg.slogdet(H)[1]


@pytest.fixture(params=[False, True], ids=["dense", "sparse"])
def _rows(request, monkeypatch):
    monkeypatch.setattr(arrow, "sparse_enough", lambda *_: request.param)


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("formula", DESIGNS.values(), ids=DESIGNS)
@pytest.mark.parametrize("scale", [0.7, 0.0], ids=["inside", "zero"])
def test_deviance_and_gradient(formula, scale):
    made = design(formula)
    criterion = criterion_of(made)
    rng = np.random.default_rng(1)
    size = len(criterion.map.entries)
    theta = scale * (criterion.map.start() + 0.4 * rng.normal(size=size))
    beta = 0.5 * rng.normal(size=made.fixed.matrix.shape[1])
    x = np.concatenate([theta, beta])

    def reference(x):
        return dense_deviance(made, criterion.map.factors(x[:size]), x[size:])

    mode = criterion.mode(x)
    assert_allclose(mode.deviance, reference(x), rtol=1e-11)
    h = 1e-4
    slopes = [(reference(x + h * e) - reference(x - h * e)) / (2 * h) for e in np.eye(len(x))]
    assert_allclose(criterion.gradient(mode), slopes, rtol=1e-6, atol=2e-6)


def test_covariance_is_that_of_the_hessian():
    made = design(DESIGNS["crossed"])
    made.y[:] = special.expit(2 * np.sin(made.random[0].codes) + made.random[1].codes - 2) > 0.5
    made.y[::7] = 1 - made.y[::7]
    criterion = criterion_of(made)
    found = maximise(criterion)
    size = len(criterion.map.entries)

    def reference(x):
        return dense_deviance(made, criterion.map.factors(x[:size]), x[size:])

    h, unit = 2e-3, np.eye(len(found.parameters))
    x = found.parameters
    hessian = [
        [
            reference(x + h * (a + b))
            - reference(x + h * (a - b))
            - reference(x - h * (a - b))
            + reference(x - h * (a + b))
            for a in unit
        ]
        for b in unit
    ]
    expected = 2 * np.linalg.inv(np.array(hessian) / (4 * h**2))
    assert not found.failure
    assert_allclose(found.covariance, expected, rtol=2e-4, atol=1e-6)
