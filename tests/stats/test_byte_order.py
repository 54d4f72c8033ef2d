"""Arrays of the other byte order, as FITS, IDL and old MATLAB files hold them."""

import numpy as np
import pandas as pd
import pytest

from stats_tl import stats

RNG = np.random.default_rng(0)
N = 60
LABELS = np.tile([0, 0, 1], N // 3)
A, B, C = RNG.normal(size=(3, N)) + LABELS
PATIENTS = np.repeat(np.arange(N // 2), 2)
FOLDS = np.array([RNG.permutation(N // 3).repeat(3) % 5 for _ in range(4)])
REPEATED = RNG.normal(size=(3, 4, N)) + LABELS
FEW = {"n_resamples": 99, "rng": 0}


def as_given(values):
    return values


def swapped(values):
    return values.astype(values.dtype.newbyteorder(">" if np.little_endian else "<"))


CALLS = {
    "delong": lambda o: stats.delong_test(o(LABELS), o(A), o(B), groups=o(PATIENTS)),
    "omnibus": lambda o: stats.delong_omnibus_test(o(LABELS), o(np.stack([A, B, C]))),
    "auc": lambda o: stats.roc_auc(o(LABELS), o(A), groups=o(PATIENTS)),
    "bootstrap": lambda o: stats.bootstrap_auc_test(
        o(LABELS), o(A), o(B), groups=o(PATIENTS), **FEW
    ),
    "permutation": lambda o: stats.permutation_auc_test(
        o(LABELS), o(A), o(B), groups=o(PATIENTS), **FEW
    ),
    "partial": lambda o: stats.partial_auc_test(o(LABELS), o(A), o(B), specificity=(0.5, 1), **FEW),
    "mcnemar": lambda o: stats.mcnemar_test(
        o((A > 0).astype(int)), o((B > 0).astype(int)), groups=o(PATIENTS)
    ),
    "repeated": lambda o: stats.repeated_cv_test(
        o(LABELS), o(REPEATED[0]), o(REPEATED[1]), o(FOLDS), groups=o(PATIENTS)
    ),
    "readers": lambda o: stats.obuchowski_rockette_test(o(LABELS), o(REPEATED)),
}


@pytest.mark.parametrize("name", CALLS)
def test_results_are_those_of_native_arrays(name):
    native, other = CALLS[name](as_given), CALLS[name](swapped)
    pd.testing.assert_frame_equal(other.to_frame(), native.to_frame(), check_exact=True)


def test_mixed_models_take_columns_of_either_order():
    frame = pd.DataFrame({"y": A, "x": B, "g": PATIENTS // 3})
    other = pd.DataFrame({name: swapped(frame[name].to_numpy()) for name in frame})
    native, found = (stats.fit_mixed_model("y ~ x + (1 | g)", d) for d in (frame, other))
    pd.testing.assert_frame_equal(found.coefficients, native.coefficients, check_exact=True)
