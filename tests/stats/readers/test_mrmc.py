"""Obuchowski-Rockette analysis, against MRMCaov, brute force and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import special
from scipy import stats as sps
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    roc_auc_score,
)

from stats_tl.stats import (
    DegenerateDataWarning,
    equivalence_test,
    get_metric,
    multiclass_auc_test,
    obuchowski_rockette_test,
)
from stats_tl.stats._shared.paired_sample import CaseSample
from stats_tl.stats.readers.auc_covariance import auc_covariance
from stats_tl.stats.readers.metric_covariance import metric_covariance
from stats_tl.stats.readers.obuchowski_rockette import decompose, reference_variance

VARIANTS = {
    "DeLong": {},
    "jackknife": {"covariance": "jackknife"},
    "unbiased": {"covariance": "unbiased"},
    "fixed_readers": {"readers": "fixed"},
    "fixed_cases": {"cases": "fixed"},
}


@pytest.fixture(scope="module")
def vandyke(gold_data):
    frame = gold_data("vandyke")
    wide = frame.pivot_table(index="case", columns=["treatment", "reader"], values="rating")
    truth = frame.groupby("case")["truth"].first().loc[wide.index].to_numpy()
    return truth, wide.to_numpy().T.reshape(2, 5, -1)


@pytest.fixture(scope="module")
def reference(gold):
    return gold["other"]["mrmcaov"]["VanDyke"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_agrees_with_mrmcaov(vandyke, reference, variant):
    expected = reference[variant]
    result = obuchowski_rockette_test(*vandyke, **VARIANTS[variant])
    equality = expected["test_equality"][0]
    assert result.statistic == pytest.approx(equality.get("F", equality.get("X2")), rel=1e-10)
    assert result.pvalue == pytest.approx(equality["p-value"], rel=1e-9)
    if variant == "fixed_readers":
        assert result.df == equality["df"]
    else:
        assert result.df == pytest.approx((equality["df1"], equality["df2"]), rel=1e-9)
    components = result.variance_components
    assert components["ms_arm"] == pytest.approx(equality["MS(T)"], rel=1e-10)
    for row in expected["vcov_comps"] or []:
        name = {"treatment:reader": "arm:reader"}.get(row["term"], row["term"].lower())
        assert components[name] == pytest.approx(row["Estimate"], rel=1e-8), name
    pair = expected["test_diffs"][0]
    assert result.estimate == pytest.approx(pair["Estimate"], rel=1e-10)
    assert result.standard_error == pytest.approx(pair["StdErr"], rel=1e-9)
    assert result.confidence_interval == pytest.approx(tuple(pair["CI"]), rel=1e-8)
    row = result.differences.iloc[0]
    assert row["statistic"] == pytest.approx(pair.get("t", pair.get("z")), rel=1e-9)
    assert row["pvalue"] == pytest.approx(pair["p-value"], rel=1e-9)
    for (_, arm), mean in zip(result.arms.iterrows(), expected["test_means"], strict=True):
        assert arm["estimate"] == pytest.approx(mean["Estimate"], rel=1e-10)
        assert arm["standard_error"] == pytest.approx(mean["StdErr"], rel=1e-9)
        assert arm["df"] == pytest.approx(mean.get("df", math.inf), rel=1e-9)
        assert (arm["ci_low"], arm["ci_high"]) == pytest.approx(tuple(mean["CI"]), rel=1e-8)
    by_reader = expected["reader_test_diffs"] or []
    assert len(result.reader_differences) == len(by_reader)
    for (_, row), own in zip(result.reader_differences.iterrows(), by_reader, strict=True):
        assert row["estimate"] == pytest.approx(own["Estimate"], rel=1e-9)
        assert row["standard_error"] == pytest.approx(own["StdErr"], rel=1e-9)
        assert row["pvalue"] == pytest.approx(own["p-value"], rel=1e-8)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(own["CI"]), rel=1e-8)


def test_published_f_and_covariance_matrix(vandyke, reference, gold):
    truth, scores = vandyke
    result = obuchowski_rockette_test(truth, scores)
    # MRMCaov's paper prints F 4.484854 on 1 and 15.06611 df, p 0.05123303.
    assert result.statistic == pytest.approx(gold["published"]["VanDyke"]["F"], rel=1e-10)
    assert result.df[1] == pytest.approx(15.06611, abs=5e-6)
    assert result.pvalue == pytest.approx(0.05123303, abs=5e-9)
    aucs = [row["empirical_auc"] for row in reference["reader_aucs"]]
    np.testing.assert_allclose(result.reader_estimates.ravel(), aucs, rtol=1e-12)
    _, matrix = auc_covariance(truth, scores.reshape(10, -1))
    np.testing.assert_allclose(matrix, reference["cov_matrix"], rtol=1e-8, atol=1e-15)


@pytest.fixture(scope="module")
def simulated():
    rng = np.random.default_rng(42)
    y = np.repeat([1, 0], [25, 40])
    scores = y + rng.standard_normal(65) + 0.7 * rng.standard_normal((3, 4, 65))
    scores[0] += 0.3 * y
    return y, np.round(scores, 1)  # with ties


def test_jackknife_is_leave_one_case_out(simulated):
    y, scores = simulated
    flat = scores.reshape(12, -1)[:4]
    without = np.array(
        [[roc_auc_score(np.delete(y, i), np.delete(s, i)) for i in range(y.size)] for s in flat]
    )
    expected = np.cov(without) * (y.size - 1) ** 2 / y.size
    _, matrix = auc_covariance(y, flat, covariance="jackknife")
    np.testing.assert_allclose(matrix, expected, rtol=1e-10)


def test_unbiased_covariance_by_brute_force():
    rng = np.random.default_rng(4)
    y = np.array([1, 1, 1, 0, 0, 0, 0])
    scores = rng.integers(0, 5, size=(2, 7)).astype(float)
    x, z = scores[:, y == 1], scores[:, y == 0]
    psi = (x[:, :, None] > z[:, None, :]) + 0.5 * (x[:, :, None] == z[:, None, :])
    distinct = [
        psi[0, i, j] * psi[1, k, m]
        for i, k in itertools.permutations(range(3), 2)
        for j, m in itertools.permutations(range(4), 2)
    ]
    aucs, matrix = auc_covariance(y, scores, covariance="unbiased")
    assert matrix[0, 1] == pytest.approx(aucs[0] * aucs[1] - np.mean(distinct), rel=1e-12)


def test_unbiased_is_unbiased_where_delong_is_not():
    rng = np.random.default_rng(9)
    n_sim, n1, n0 = 4000, 4, 4
    y = np.repeat([1, 0], [n1, n0])
    aucs, unbiased, delong = [], [], []
    for _ in range(n_sim):
        s = y + rng.standard_normal((1, n1 + n0))
        auc, matrix = auc_covariance(y, s, covariance="unbiased")
        aucs.append(auc[0])
        unbiased.append(matrix[0, 0])
        delong.append(auc_covariance(y, s)[1][0, 0])
    truth = np.var(aucs, ddof=1)
    error = 3.5 * math.hypot(
        np.std(unbiased) / math.sqrt(n_sim), truth * math.sqrt(2 / n_sim) * 1.5
    )
    assert abs(np.mean(unbiased) - truth) < error
    assert np.mean(delong) - truth > 0.5 * error


def test_three_arms_by_an_independent_anova(simulated):
    y, scores = simulated
    result = obuchowski_rockette_test(y, scores)
    aucs = np.array([[roc_auc_score(y, s) for s in arm] for arm in scores])
    t, r = aucs.shape
    # Mean squares by least squares on dummy variables.
    arm, reader = (x.ravel() for x in np.indices(aucs.shape))
    columns = [
        np.ones(t * r),
        *(arm == i for i in range(1, t)),
        *(reader == j for j in range(1, r)),
    ]
    x = np.column_stack(columns).astype(float)
    full = ((aucs.ravel() - x @ np.linalg.lstsq(x, aucs.ravel(), rcond=None)[0]) ** 2).sum()
    no_arm = x[:, [0, 3, 4, 5]]
    left = (
        (aucs.ravel() - no_arm @ np.linalg.lstsq(no_arm, aucs.ravel(), rcond=None)[0]) ** 2
    ).sum()
    _, matrix = auc_covariance(y, scores.reshape(t * r, -1))
    same_arm, same_reader = arm[:, None] == arm, reader[:, None] == reader
    cov2 = matrix[same_arm & ~same_reader].mean()
    cov3 = matrix[~same_arm & ~same_reader].mean()
    ms_tr = full / ((t - 1) * (r - 1))
    denominator = ms_tr + r * max(cov2 - cov3, 0)
    f = (left - full) / (t - 1) / denominator
    df2 = denominator**2 / (ms_tr**2 / ((t - 1) * (r - 1)))
    assert result.statistic == pytest.approx(f, rel=1e-9)
    assert result.df == pytest.approx((t - 1, df2), rel=1e-9)
    assert result.pvalue == pytest.approx(sps.f.sf(f, t - 1, df2), rel=1e-9)
    assert len(result.differences) == 3
    assert math.isnan(result.estimate)
    assert "0 - 2" in str(result)
    # The omnibus F is the mean of squared pairwise t statistics, as in any balanced design.
    assert (result.differences["statistic"] ** 2).mean() == pytest.approx(f, rel=1e-9)
    chi2 = obuchowski_rockette_test(y, scores, readers="fixed")
    assert chi2.df == 2.0
    assert chi2.pvalue == pytest.approx(sps.chi2.sf(chi2.statistic, 2), rel=1e-12)


def test_relabelling_changes_nothing_but_the_sign(simulated):
    y, scores = simulated
    two = scores[:2]
    base = obuchowski_rockette_test(y, two)
    swapped = obuchowski_rockette_test(y, two[::-1])
    assert swapped.estimate == pytest.approx(-base.estimate)
    assert swapped.pvalue == pytest.approx(base.pvalue)
    order = np.random.default_rng(0).permutation(y.size)
    shuffled = obuchowski_rockette_test(y[order], np.exp(two[:, [2, 0, 3, 1]][:, :, order]))
    assert shuffled.statistic == pytest.approx(base.statistic, rel=1e-9)
    own_patient = obuchowski_rockette_test(y, two, groups=np.arange(y.size))
    assert own_patient.statistic == pytest.approx(base.statistic, rel=1e-9)
    assert own_patient.n_groups == y.size


def test_duplicated_cases_are_no_evidence_when_clustered(simulated):
    y, scores = simulated
    twice = np.concatenate([scores, scores], axis=2)[:2]
    clustered = obuchowski_rockette_test(np.tile(y, 2), twice, groups=np.tile(np.arange(y.size), 2))
    base = obuchowski_rockette_test(y, scores[:2])
    assert clustered.statistic == pytest.approx(base.statistic, rel=1e-9)
    ignored = obuchowski_rockette_test(np.tile(y, 2), twice)
    assert ignored.standard_error < base.standard_error


def test_one_fixed_reader_is_delong(simulated):
    y, scores = simulated
    aucs, matrix = auc_covariance(y, scores[:2, 0])
    z = (aucs[0] - aucs[1]) / math.sqrt(matrix[0, 0] + matrix[1, 1] - 2 * matrix[0, 1])
    result = obuchowski_rockette_test(y, scores[:2, :1], readers="fixed")
    assert result.statistic == pytest.approx(z**2, rel=1e-10)
    # Equivalence must read the chi-square as a squared normal.
    margin = equivalence_test(result, 0.3)
    assert margin.pvalue == pytest.approx(
        sps.norm.sf((0.3 - abs(result.estimate)) / result.standard_error), rel=1e-9
    )


def test_degenerate_data(simulated):
    y, scores = simulated
    same = obuchowski_rockette_test(y, np.stack([scores[0], scores[0]]))
    assert (same.statistic, same.pvalue, same.estimate) == (0.0, 1.0, 0.0)
    perfect = np.broadcast_to(y.astype(float), (2, 3, y.size))
    with pytest.warns(DegenerateDataWarning, match="p = 1 is a convention"):
        result = obuchowski_rockette_test(y, perfect)
    assert (result.statistic, result.pvalue) == (0.0, 1.0)
    mixed = perfect.copy()
    mixed[0, 0] = 0.0  # an AUC of one half, as little variable between cases as the others
    with pytest.warns(DegenerateDataWarning, match="only the variation between readers"):
        result = obuchowski_rockette_test(y, mixed)
    assert (result.statistic, result.pvalue) == pytest.approx((1.0, 0.4226497308))  # F(1, 2)
    one = np.zeros(y.size, dtype=int)
    one[0] = 1
    with pytest.warns(DegenerateDataWarning, match="cannot be estimated"):
        result = obuchowski_rockette_test(one, scores)
    assert math.isnan(result.pvalue)
    assert result.warnings


def test_wrong_input_is_named(simulated):
    y, scores = simulated
    holes = scores.copy()
    holes[0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="1 scores are missing, which covariance='jackknife'"):
        obuchowski_rockette_test(y, holes, covariance="jackknife")
    with pytest.raises(ValueError, match="which `groups` does not allow"):
        obuchowski_rockette_test(y, holes, groups=np.arange(y.size))
    holes[1, 1, np.flatnonzero(y)[1:]] = math.nan
    with pytest.raises(ValueError, match="positive cases of reader 1 with arm 1; leave"):
        obuchowski_rockette_test(y, holes)
    with pytest.raises(ValueError, match="at least two readers"):
        obuchowski_rockette_test(y, scores[:, :1])
    with pytest.raises(ValueError, match="at least two arms"):
        obuchowski_rockette_test(y, scores[:1])
    with pytest.raises(ValueError, match="both be fixed"):
        obuchowski_rockette_test(y, scores, readers="fixed", cases="fixed")
    with pytest.raises(ValueError, match="`readers`"):
        obuchowski_rockette_test(y, scores, readers="some")
    with pytest.raises(ValueError, match="`covariance`"):
        obuchowski_rockette_test(y, scores, covariance="bootstrap")
    with pytest.raises(ValueError, match="3 axes"):
        obuchowski_rockette_test(y, scores[0])
    with pytest.raises(ValueError, match="`groups` needs"):
        obuchowski_rockette_test(y, scores, groups=np.arange(y.size), covariance="unbiased")


def test_size_with_random_readers_and_cases():
    """Roe and Metz's model under the null: reader, case and their interactions with arm."""
    rng = np.random.default_rng(17)
    n_sim, n1, n0, readers = 600, 30, 30, 4
    y = np.repeat([1, 0], [n1, n0])
    rejected = 0
    for _ in range(n_sim):
        reader = np.where(
            y, rng.normal(0, 0.2, (1, readers, 1)), rng.normal(0, 0.2, (1, readers, 1))
        )
        arm_reader = np.where(
            y, rng.normal(0, 0.2, (2, readers, 1)), rng.normal(0, 0.2, (2, readers, 1))
        )
        case = rng.normal(0, 0.6, (1, 1, n1 + n0)) + rng.normal(0, 0.5, (2, 1, n1 + n0))
        noise = rng.normal(0, 0.6, (2, readers, n1 + n0))
        scores = 1.2 * y + reader + arm_reader + case + noise
        rejected += obuchowski_rockette_test(y, scores).pvalue < 0.05
    # Hillis' df are known to be slightly conservative; never liberal beyond Monte-Carlo error.
    assert 0.02 < rejected / n_sim < 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_sim)


# Missing scores ---------------------------------------------------------------------------


def with_holes(vandyke):
    """VanDyke without every eleventh score, by a rule that R can follow."""
    truth, scores = vandyke
    holes = scores.copy()
    # Rows of MRMCaov's data: cases, then readers, then treatments the fastest.
    row = np.arange(scores.size).reshape(scores.shape[2], scores.shape[1], scores.shape[0])
    holes[((row + 1) * 37 % 11 == 0).transpose(2, 1, 0)] = math.nan
    return truth, holes


def test_missing_scores_as_in_mrmcaov(vandyke):
    # mrmc(empirical_auc(truth, rating), treatment, reader, case, cov = unbiased()) of MRMCaov
    # on 1,037 of 1,140 rows.
    result = obuchowski_rockette_test(*with_holes(vandyke), covariance="unbiased")
    expected = {
        "reader": 0.001529733579220,
        "arm:reader": 0.000476216770645,
        "error": 0.000859922896654,
        "cov1": 0.000353981832001,
        "cov2": 0.000293807326865,
        "cov3": 0.000273676184625,
    }
    for name, value in expected.items():
        assert result.variance_components[name] == pytest.approx(value, rel=1e-9), name
    assert result.statistic == pytest.approx(4.55845715372, rel=1e-9)
    assert result.df == pytest.approx((1, 4.88081926017), rel=1e-9)
    assert result.pvalue == pytest.approx(0.0872000913129, rel=1e-9)
    assert [note.code for note in result.warnings] == ["missing-scores"]
    assert result.n_cases == 114


@pytest.mark.parametrize("covariance", ["delong", "unbiased"])
def test_readers_with_cases_of_their_own_share_no_error(vandyke, covariance):
    truth, scores = vandyke
    n = truth.size
    own = np.full((2, 5, 5 * n), math.nan)
    for reader in range(5):
        own[:, reader, reader * n : (reader + 1) * n] = scores[:, reader]
    result = obuchowski_rockette_test(np.tile(truth, 5), own, covariance=covariance)
    # MRMCaov with cases nested within readers (`case2`).
    assert result.statistic == pytest.approx(8.704, abs=1e-3)
    assert result.df == pytest.approx((1, 4))
    assert result.pvalue == pytest.approx(0.0419587524946, rel=1e-8)
    assert result.confidence_interval == pytest.approx((-0.08502022396, -0.00258042016), rel=1e-8)
    parts = result.variance_components
    assert (parts["cov2"], parts["cov3"]) == pytest.approx((0, 0), abs=1e-15)
    whole = obuchowski_rockette_test(truth, scores, covariance=covariance).variance_components
    for name in ("error", "cov1", "ms_arm"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-9)


def test_the_covariance_over_common_cases_is_that_of_the_means():
    """Against the spread over many samples of two curves that share half of their cases."""
    from stats_tl.stats.readers.auc_covariance import auc_covariance

    rng, aucs = np.random.default_rng(4), []
    y = np.repeat([1, 0], [40, 60])
    scored = np.ones((2, 100), dtype=bool)
    scored[0, [*range(10), *range(40, 60)]] = False
    scored[1, [*range(30, 40), *range(80, 100)]] = False
    estimates = {"delong": [], "unbiased": []}
    for _ in range(1500):
        scores = y + rng.normal(size=100) + 0.7 * rng.normal(size=(2, 100))
        scores[~scored] = math.nan
        for covariance, found in estimates.items():
            values, matrix = auc_covariance(y, scores, covariance=covariance)
            found.append(matrix)
        aucs.append(values)
    true = np.cov(np.array(aucs).T)
    for covariance, found in estimates.items():
        mean = np.mean(found, axis=0)
        np.testing.assert_allclose(mean, true, rtol=0.08, atol=2e-4, err_msg=covariance)


def test_covariances_of_any_metric_are_those_of_the_jackknife():
    rng = np.random.default_rng(3)
    y = rng.random(300) < 0.4
    shared = y + rng.standard_normal(300)
    p = special.expit(shared + 0.5 * rng.standard_normal((2, 3, 300)) - 0.5)
    auc = get_metric("roc_auc")
    values, matrix = metric_covariance(auc, CaseSample.of(y, None), p, None)
    aucs, delong = auc_covariance(y, p.reshape(6, -1))
    np.testing.assert_allclose(values, aucs)
    np.testing.assert_allclose(matrix, delong)
    for name, of in (
        ("brier_score", brier_score_loss),
        ("average_precision", average_precision_score),
    ):
        result = obuchowski_rockette_test(y, p, metric=name)
        each = np.array([[of(y, one) for one in arm] for arm in p])
        np.testing.assert_allclose(result.reader_estimates, each)
        without = np.array(
            [[of(np.delete(y, i), np.delete(s, i)) for s in p.reshape(6, -1)] for i in range(300)]
        )
        jackknife = np.cov(without.T, ddof=0) * 299
        parts = decompose(each, jackknife)
        noise = reference_variance(parts, "random", "random")
        assert result.statistic == pytest.approx(parts.ms_arm / noise.variance, rel=0.05), name
        assert result.procedure.metric == name
        assert result.estimate == pytest.approx(each[0].mean() - each[1].mean())
    assert equivalence_test(result, margin=2.0).pvalue < 0.05


def test_thresholds_of_readers():
    rng = np.random.default_rng(4)
    y = np.arange(120) % 2
    s = y + rng.standard_normal((2, 3, 120))
    cuts = rng.uniform(0.3, 0.7, (2, 3))
    ours = obuchowski_rockette_test(y, s, metric="f1", threshold=cuts)
    moved = obuchowski_rockette_test(y, s - cuts[..., None], metric="f1", threshold=0.0)
    assert ours.pvalue == pytest.approx(moved.pvalue)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), got shape \(3, 2\)"):
        obuchowski_rockette_test(y, s, metric="f1", threshold=cuts.T)
    with pytest.raises(ValueError, match=r"needs `threshold`"):
        obuchowski_rockette_test(y, s, metric="f1")
    with pytest.raises(ValueError, match=r"probabilities from 0 to 1"):
        obuchowski_rockette_test(y, s, metric="brier_score")
    with pytest.raises(ValueError, match=r"`covariance` is of AUCs"):
        obuchowski_rockette_test(y, special.expit(s), metric="log_loss", covariance="unbiased")
    likelihood = obuchowski_rockette_test(y, s, metric="positive_likelihood_ratio", threshold=0.5)
    assert likelihood.arms["ci_low"].gt(0).all()
    assert likelihood.estimate == pytest.approx(
        np.log(likelihood.reader_estimates[0]).mean()
        - np.log(likelihood.reader_estimates[1]).mean()
    )


def study_of_classes(arms=3, readers=4, n=90, seed=5):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    case = np.eye(3)[y] + rng.normal(size=(n, 3))
    return y, case + 0.7 * rng.normal(size=(arms, readers, n, 3))


@pytest.mark.parametrize("metric", ["roc_auc_ovr", "roc_auc_ovo", "quadratic_kappa"])
def test_several_classes_with_fixed_cases_are_the_analysis_of_variance(metric):
    y, scores = study_of_classes()
    grades = scores.argmax(axis=3)
    truth = {
        "roc_auc_ovr": lambda own, _: roc_auc_score(y, special.softmax(own, 1), multi_class="ovr"),
        "roc_auc_ovo": lambda own, _: roc_auc_score(y, special.softmax(own, 1), multi_class="ovo"),
        "quadratic_kappa": lambda _, own: cohen_kappa_score(y, own, weights="quadratic"),
    }[metric]
    # scikit-learn wants sums of 1; softmax changes ranks between cases, so that it comes first.
    scores = special.softmax(scores, axis=3)
    expected = np.array(
        [
            [truth(np.log(scores[arm, reader]), grades[arm, reader]) for reader in range(4)]
            for arm in range(3)
        ]
    )
    given = grades if metric == "quadratic_kappa" else scores
    result = obuchowski_rockette_test(y, given, metric=metric)
    assert result.reader_estimates == pytest.approx(expected, abs=1e-12)
    fixed = obuchowski_rockette_test(y, given, metric=metric, cases="fixed")
    between = 4 * expected.mean(axis=1).var(ddof=1)
    within = expected - expected.mean(axis=0) - expected.mean(axis=1)[:, None] + expected.mean()
    assert fixed.statistic == pytest.approx(between / ((within**2).sum() / 6))


def test_one_fixed_reader_of_several_classes_is_the_paired_test():
    y, scores = study_of_classes(arms=2, readers=1)
    groups = np.arange(90) // 2
    for average, metric in (("macro", "roc_auc_ovr"), ("hand-till", "roc_auc_ovo")):
        for own in (None, groups):
            ours = obuchowski_rockette_test(y, scores, metric=metric, groups=own, readers="fixed")
            pair = multiclass_auc_test(y, *scores[:, 0], average=average, groups=own)
            assert ours.pvalue == pytest.approx(pair.pvalue, rel=1e-9)
            assert ours.standard_error == pytest.approx(pair.standard_error, rel=1e-9)
    with pytest.raises(ValueError, match=r"shape \(arms, readers, cases, classes\)"):
        obuchowski_rockette_test(y, scores[..., 0], metric="roc_auc_ovr", readers="fixed")
