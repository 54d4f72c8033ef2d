"""Bayesian reading of a cross-validation's differences, with a region of equivalence.

The model is that of :mod:`.resampled`: differences of equal variance and of
correlation ``n_test / (n_train + n_test)``.
"""

from __future__ import annotations

__all__ = ["BayesianTestResult", "bayesian_correlated_ttest"]

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import scipy

from .._shared.inference import check_confidence_level
from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, format_number
from .differences import NO_SPREAD, as_differences, check_sizes, spread, warn_if


@dataclass(frozen=True)
class BayesianTestResult:
    """Posterior of a mean difference under the correlated t model.

    Attributes
    ----------
    p_left, p_rope, p_right : float
        Posterior probabilities that the difference is below ``-rope`` (reference better),
        within ``[-rope, rope]`` (practically equal), above ``rope`` (candidate better).
    rope : float
        Half-width of the region of practical equivalence.
    estimate : float
        Posterior mean (and median and mode) of the difference.
    scale : float
        Scale of the Student t posterior; not its standard deviation.
    df : float
        Degrees of freedom of the posterior.
    correlation : float
        Assumed correlation between differences.
    credible_interval : ConfidenceInterval
        Central (and highest-density) interval.
    credible_level : float
        Its posterior probability.
    method : str
        One printable sentence.
    warnings : tuple of ResultWarning
        What the reader must know: strings, each with a ``code``.
    procedure : Procedure
        What was done, as data.
    """

    p_left: float
    p_rope: float
    p_right: float
    rope: float
    estimate: float
    scale: float
    df: float
    correlation: float
    credible_interval: ConfidenceInterval
    credible_level: float
    method: str
    warnings: tuple[ResultWarning, ...] = ()
    procedure: Procedure = field(default_factory=Procedure, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row, unrounded."""
        return pd.DataFrame(
            {
                "estimate": [self.estimate],
                "scale": [self.scale],
                "df": [self.df],
                "ci_low": [self.credible_interval.low],
                "ci_high": [self.credible_interval.high],
                "credible_level": [self.credible_level],
                "rope": [self.rope],
                "p_left": [self.p_left],
                "p_rope": [self.p_rope],
                "p_right": [self.p_right],
                "correlation": [self.correlation],
                "method": [self.method],
                "warnings": ["; ".join(self.warnings)],
            }
        )

    def __str__(self) -> str:
        lines = [
            self.method,
            f"posterior probability: reference better by more than {self.rope:g}: "
            f"{format_number(self.p_left)}, practically equal: {format_number(self.p_rope)}, "
            f"candidate better: {format_number(self.p_right)}",
            f"estimate = {format_number(self.estimate)}, {100 * self.credible_level:g} % credible "
            f"interval {format_number(self.credible_interval.low)} to "
            f"{format_number(self.credible_interval.high)}",
        ]
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)


def bayesian_correlated_ttest(
    differences: Any,
    *,
    n_train: float,
    n_test: float,
    rope: float = 0.01,
    credible_level: float = 0.95,
) -> BayesianTestResult:
    """Bayesian correlated t test with a region of practical equivalence.

    With a flat prior on the mean and a Jeffreys prior on the variance, the posterior of
    the mean difference is a Student t around the observed mean with the Nadeau-Bengio
    standard error as scale.

    Parameters
    ----------
    differences : array_like of shape (repeats, folds) or (resamples,)
        Metric of the candidate minus that of the reference.
    n_train, n_test : float
        Cases in the training and in the test part of one resampling; the correlation is
        taken as ``n_test / (n_train + n_test)``.
    rope : float, default 0.01
        Differences no larger than this count as practically equal. Choose it before
        looking at the data; 0 leaves only left and right.
    credible_level : float, default 0.95
        Probability of the credible interval.

    Returns
    -------
    BayesianTestResult
        `p_left`, `p_rope`, `p_right`, which sum to 1, and the posterior.

    Raises
    ------
    ValueError
        If there are fewer than two differences, one is NaN, a size is not positive or
        `rope` is negative.

    Warns
    -----
    DegenerateDataWarning
        If all differences are equal: the posterior is then a single point.

    See Also
    --------
    corrected_resampled_ttest : The frequentist reading of the same model.

    Notes
    -----
    The probabilities are about *this data set's* population and hold as far as the assumed
    correlation does; they are no error rates. Not for several data sets at once.

    References
    ----------
    .. [1] Corani, G. and Benavoli, A. (2015). A Bayesian approach for comparing
       cross-validated algorithms on multiple data sets. Machine Learning 100, 285-304.
       :doi:`10.1007/s10994-015-5486-z`
    .. [2] Benavoli, A., Corani, G., Demsar, J. and Zaffalon, M. (2017). Time for a change.
       Journal of Machine Learning Research 18 (77), 1-36.

    Examples
    --------
    >>> from stats_tl.stats import bayesian_correlated_ttest
    >>> d = [[0.03, 0.01, 0.04, 0.00, 0.02], [0.02, 0.02, 0.05, -0.01, 0.03]]
    >>> result = bayesian_correlated_ttest(d, n_train=80, n_test=20, rope=0.01)
    >>> print(f"{result.p_left:.3f} {result.p_rope:.3f} {result.p_right:.3f}")
    0.008 0.155 0.837
    """
    values = as_differences(differences)
    n_train, n_test = check_sizes(n_train, n_test)
    level = check_confidence_level(credible_level)
    if not rope >= 0:
        raise ValueError(f"`rope` must be zero or positive, got {rope!r}.")
    mean, df = float(values.mean()), float(values.size - 1)
    scale = math.sqrt(1 / values.size + n_test / n_train) * spread(values)
    if scale == 0:
        left, right = float(mean < -rope), float(mean > rope)
        interval = ConfidenceInterval(mean, mean)
    else:
        posterior = scipy.stats.t(df, loc=mean, scale=scale)
        left, right = float(posterior.cdf(-rope)), float(posterior.sf(rope))
        interval = ConfidenceInterval(*(float(x) for x in posterior.interval(level)))
    correlation = n_test / (n_train + n_test)
    return BayesianTestResult(
        p_left=left,
        p_rope=max(0.0, 1.0 - left - right),
        p_right=right,
        rope=float(rope),
        estimate=mean,
        scale=scale,
        df=df,
        correlation=correlation,
        credible_interval=interval,
        credible_level=level,
        method=(
            f"Bayesian correlated t test over {values.size} paired differences (correlation "
            f"{correlation:.4g}, region of practical equivalence +/- {rope:g}): these training "
            "procedures, new patients and new training runs at this sample size"
        ),
        warnings=warn_if(scale == 0, NO_SPREAD),
        procedure=Procedure(name="bayesian-correlated-t", variance="nadeau-bengio", n_arms=2),
    )
