"""What a planned repeated cross-validation could detect, before anything is trained.

Where a finished study of the same kind exists, :func:`stats_tl.stats.simulate_design` takes its
components instead of the assumptions made here.
"""

from __future__ import annotations

__all__ = ["RepeatedCVDesign", "repeated_cv_design"]

import math
from dataclasses import dataclass

from .._shared.validation import check_positive_int
from ..crossvalidation import elasticity as _elasticity
from .delong_power import binormal_difference_variance
from .power import check_probability, power_of_t, smallest_detectable_difference

#: Standard error of the elasticity without and with half-sample repeats, about as seen in
#: the calibration study at 400 patients.
ELASTICITY_ERROR = {False: 0.1, True: 0.06}


@dataclass(frozen=True)
class RepeatedCVDesign:
    """A planned study and what it can find.

    Attributes
    ----------
    n_units, n_events : int
        Patients, and the positive among them.
    n_folds, n_repeats : int
    auc, difference : float
        Expected AUC of the reference, and the difference to be found.
    standard_error, df : float
        Of the test, as expected.
    power : float
        Probability that the two-sided test finds `difference`.
    smallest_detectable_difference : float
        Difference that it finds with probability `wanted_power`.
    alpha, wanted_power, elasticity : float
    """

    n_units: int
    n_events: int
    n_folds: int
    n_repeats: int
    auc: float
    difference: float
    standard_error: float
    df: float
    power: float
    smallest_detectable_difference: float
    alpha: float
    wanted_power: float
    elasticity: float

    def __str__(self) -> str:
        return (
            f"{self.n_units} patients, {self.n_events} events; {self.n_repeats} x "
            f"{self.n_folds}-fold cross-validation; reference AUC {self.auc:.3f}\n"
            f"expected standard error of a difference {self.standard_error:.4f} "
            f"(df {self.df:.0f}, elasticity {self.elasticity:.2f})\n"
            f"power for a difference of {self.difference:.3f}: {100 * self.power:.0f} %\n"
            f"detectable with {100 * self.wanted_power:.0f} % power: "
            f"{self.smallest_detectable_difference:.3f} (two-sided, alpha {self.alpha:g})"
        )


def repeated_cv_design(
    n_units: int,
    *,
    prevalence: float,
    auc: float,
    n_folds: int = 5,
    n_repeats: int = 10,
    difference: float = 0.03,
    correlation: float = 0.5,
    run_noise: float = 1.0,
    elasticity: float | None = None,
    half: bool = True,
    alpha: float = 0.05,
    power: float = 0.8,
) -> RepeatedCVDesign:
    """Power and detectable difference of :func:`repeated_cv_test` in a planned study.

    Parameters
    ----------
    n_units : int
        Patients.
    prevalence : float
        Share of positive patients.
    auc : float
        Expected cross-validated AUC of the reference.
    n_folds, n_repeats : int
        The design; at least two of each.
    difference : float, default 0.03
        Difference in AUC that `power` of the result is about.
    correlation : float, default 0.5
        Correlation of the arms' scores within a class, each averaged over the repeats.
    run_noise : float, default 1.0
        Variance of the difference between repeats (splits, training runs) as a multiple of
        its variance between data sets that testing sees. About .2 for closed-form linear
        heads, 1 for heads with random parts; 3 to 7 were measured in the BUS-BRA study, whose
        reference draws new random weights in every repeat.
    elasticity : float, optional
        Slope of the learning curve, at least -1 (above 1 where halvings have shown that training
        adds more variance than testing); by default what the calibration study saw at this AUC.
    half : bool, default True
        Whether half-sample repeats will be run; they make the elasticity better known.
    alpha, power : float
        Two-sided level, and the power that the detectable difference is for.

    Returns
    -------
    RepeatedCVDesign

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    simulate_design : The same from the components of a finished study.
    delong_power : For fitted models on one test set.

    Notes
    -----
    The variance that testing sees is that of the empirical AUC difference of binormal
    scores; the test's is (1 + elasticity)**2 times that, plus the variance between repeats
    over their number. With several images a patient the truth lies between the answers for
    patients and for images. Do not use it as evidence after the study: the report gives the
    detectable difference at the standard error that was observed.

    References
    ----------
    .. [1] Obuchowski, N. A. and McClish, D. K. (1997). Sample size determination for
       diagnostic accuracy studies involving binormal ROC curve indices. Statistics in
       Medicine 16, 1529-1542.
       :doi:`10.1002/(SICI)1097-0258(19970715)16:13<1529::AID-SIM565>3.0.CO;2-H`

    Examples
    --------
    >>> from stats_tl.stats import repeated_cv_design
    >>> print(repeated_cv_design(780, prevalence=0.27, auc=0.8, difference=0.04))
    780 patients, 211 events; 10 x 5-fold cross-validation; reference AUC 0.800
    expected standard error of a difference 0.0200 (df 102, elasticity 0.10)
    power for a difference of 0.040: 51 %
    detectable with 80 % power: 0.056 (two-sided, alpha 0.05)
    """
    n = check_positive_int(n_units, name="n_units", minimum=10)
    k = check_positive_int(n_folds, name="n_folds", minimum=2)
    m = check_positive_int(n_repeats, name="n_repeats", minimum=2)
    events = round(n * check_probability(prevalence, "prevalence"))
    if min(events, n - events) < 2:
        raise ValueError(
            f"`prevalence` {prevalence:g} of {n} patients leaves {events} positive and "
            f"{n - events} negative; two of each are needed."
        )
    auc = check_probability(auc, "auc")
    if not 0 < auc + difference < 1:
        raise ValueError(
            f"`auc` + `difference` must lie between 0 and 1, got {auc + difference:g}."
        )
    if not (run_noise >= 0 and math.isfinite(run_noise)):
        raise ValueError(f"`run_noise` must be zero or positive, got {run_noise!r}.")
    if elasticity is None:
        elasticity = _elasticity.prior(auc).value
    else:
        elasticity = _elasticity.check_elasticity(elasticity)
    shared = binormal_difference_variance(
        auc, auc + difference, events, n - events, correlation=correlation
    )
    variance, df = _elasticity.learning_curve_variance(
        shared,
        run_noise * shared,
        elasticity,
        m,
        shared_error=shared * math.sqrt(2 / (min(events, n - events) - 1)),
        elasticity_error=ELASTICITY_ERROR[half],
    )
    error = math.sqrt(variance)
    return RepeatedCVDesign(
        n_units=n,
        n_events=events,
        n_folds=k,
        n_repeats=m,
        auc=auc,
        difference=difference,
        standard_error=error,
        df=df,
        power=power_of_t(difference, error, df, alpha, "two-sided", used_error=error),
        smallest_detectable_difference=smallest_detectable_difference(
            error, df, alpha=alpha, power=power
        ),
        alpha=alpha,
        wanted_power=power,
        elasticity=elasticity,
    )
