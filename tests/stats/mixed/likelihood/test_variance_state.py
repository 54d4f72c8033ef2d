"""Traces and quadratic forms of the likelihood against matrices with a side of length n."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from stats_tl.stats.mixed.likelihood import crossproducts
from stats_tl.stats.mixed.likelihood.solver import Standardized, solve
from stats_tl.stats.mixed.specification.design import build_design
from stats_tl.stats.mixed.specification.formula import parse_formula

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x + (1 | g) + (1 | h)",
    "y ~ x + (x | g) + (x | h) + (1 | k)",
]


def standardized(formula):
    rng = np.random.default_rng(3)
    n = 90
    data = pd.DataFrame({name: rng.integers(0, q, n) for name, q in dict(g=9, h=5, k=4).items()})
    data["x"], data["y"] = rng.normal(size=(2, n))
    data["y"] += rng.normal(size=9)[data["g"]] + 0.7 * rng.normal(size=5)[data["h"]]
    return Standardized(build_design(parse_formula(formula), data))


def dense(std, factors):
    """Blocks of Z, V^-1 and P, for X orthonormal and Z scaled as in the cross-products."""
    blocks = []
    for term, T in zip(std.design.random, std.bases, strict=True):
        z = np.linalg.solve(T.T, term.z.T).T
        own = np.eye(term.n_levels)[term.codes]
        blocks.append((own[:, :, None] * z[:, None]).reshape(len(z), -1))
    V = np.eye(len(blocks[0]))
    for term, block, L in zip(std.design.random, blocks, factors, strict=True):
        V = V + block @ np.kron(np.eye(term.n_levels), L @ L.T) @ block.T
    inverse = np.linalg.inv(V)
    X = std.Q
    P = inverse - inverse @ X @ np.linalg.inv(X.T @ inverse @ X) @ X.T @ inverse
    return blocks, inverse, P


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 0.0])
@pytest.mark.parametrize("formula", FORMULAS)
def test_traces_and_projections(formula, scale, sparse, monkeypatch):
    monkeypatch.setattr(crossproducts, "sparse_enough", lambda *_: sparse)
    std = standardized(formula)
    rng = np.random.default_rng(1)
    start = std.map.start()
    theta = start + 0.3 * rng.normal(size=len(start))
    # The first term keeps its variance: the others alone come near zero.
    first = np.array([t == std.products.lead for t, _, _ in std.map.entries])
    theta = np.where(first, theta, scale * theta)
    factors = std.map.factors(theta)
    state = std.state(theta)
    blocks, inverse, P = dense(std, factors)
    elements = []
    for t, r, s in std.products.elements:
        E = np.zeros((std.products.sizes[t][1],) * 2)
        E[r, s] = E[s, r] = 1.0
        G = np.kron(np.eye(std.products.sizes[t][0]), E)
        elements.append(blocks[t] @ G @ blocks[t].T)
    for fixed, S in ((True, P), (False, inverse)):
        one, two = state.traces(fixed=fixed)
        assert_allclose(one, [np.trace(S @ G) for G in elements], rtol=1e-8)
        expected = [[np.trace(S @ G @ S @ H) for H in elements] for G in elements]
        assert_allclose(two, expected, rtol=1e-7, atol=1e-8)
        for t, projected in enumerate(blocks):
            side = 0 if t == std.products.lead else 1
            columns = state.project(slice(std.products.p), fixed=False)
            own = columns[side][std.products.slices[t]]
            assert_allclose(own, projected.T @ inverse @ std.Q, atol=1e-10)
    assert_allclose(state.log_det_v, -np.linalg.slogdet(inverse)[1], atol=1e-9)


@pytest.mark.parametrize("formula", FORMULAS)
def test_moment_estimates_start_near_the_maximum(formula):
    std = standardized(formula)
    start = std.map.normalised(std.moment_start())
    found = solve(std, reml=True)
    assert not found.failure
    ends = std.state(start).deviance(reml=True), std.state(std.map.start()).deviance(reml=True)
    assert found.state.deviance(reml=True) <= min(ends) + 1e-9
