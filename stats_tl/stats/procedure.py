"""What a test did and what it warns of, as data: nothing has to be read out of a sentence."""

from __future__ import annotations

__all__ = ["ElasticitySource", "Procedure", "ResultWarning", "WarningCode"]

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

WarningCode = Literal[
    # The variance, or the answer, is degenerate.
    "single-case",  # one positive or one negative case: no variance
    "zero-variance",  # the variance is estimated as zero
    "perfect-auc",  # all AUCs are 0 or 1: p = 1 is a convention
    "no-case-variation",  # no AUC varies between cases (MRMC)
    "missing-scores",  # readers who did not score every case (MRMC)
    "identical-ranking",  # both scores rank the cases alike
    "identical-curves",  # both ROC curves are the same
    "no-difference",  # the methods agree on every task
    "no-discordant-cases",  # no case on which only one of the two was right
    "no-standard-error",  # no margin can be tested
    "singular-covariance",  # fewer independent contrasts than arms suggest
    # Resampling and ties.
    "resamples-dropped",  # resamples without one of the classes
    "interval-disagrees",  # interval and p value on different sides of the null value
    "bca-undefined",  # all replicates on one side of the estimate
    "correction-undefined",  # McClish's correction below the chance line
    "tied-scores",  # the statistic depends on the order of tied cases
    # Repeated cross-validation: outside of what the calibration study covers.
    "one-repeat",
    "few-repeats",
    "one-partition",
    "two-folds",
    "few-folds",
    "few-units",  # few cases or patients, in all or of the rarer class
    "over-cautious",  # the standard error is known to be too large
    "small-counts",  # a metric rests on few cases of a kind
    "near-chance",
    "negative-covariance",
    "unusable-half-sample",  # half-sample repeats that show no learning curve
    "unusable-halvings",  # halvings whose scores carry no variance
    "falling-curve",  # better models with half of the training cases
    "straddling-patients",  # patients on both sides of a split
    "few-subgroups",
    # Mixed models.
    "no-convergence",
    "singular-fit",
    "refit-failed",
    "model",  # any other of a mixed model
    # Text without a code of its own, e.g. in a result that a user made.
    "other",
]
CODES: tuple[WarningCode, ...] = get_args(WarningCode)


class ResultWarning(str):
    """A warning of a result: a string that carries a code.

    Parameters
    ----------
    code : str
        Stable name of the kind of warning, for programs; one of `WarningCode`.
    text : str
        What a reader has to know. The object *is* this string.
    """

    __slots__ = ("code",)
    code: WarningCode

    def __new__(cls, code: WarningCode, text: str) -> ResultWarning:
        if code not in CODES:
            raise ValueError(f"`code` must be one of {CODES}, got {code!r}.")
        own = super().__new__(cls, text)
        own.code = code
        return own

    def __getnewargs__(self) -> tuple[WarningCode, str]:  # type: ignore[override]
        return self.code, str(self)


class ElasticitySource(NamedTuple):
    """What one source says of the elasticity."""

    source: str
    value: float
    #: Infinite where the source says nothing.
    variance: float


@dataclass(frozen=True)
class Procedure:
    """What a test did. A field that does not apply is None.

    Attributes
    ----------
    name : str
        Stable name of the test, e.g. ``"delong"``, ``"bootstrap"``, ``"repeated-cv"``.
    variance : str or None
        Variance that was used, where there is a choice. Of a repeated cross-validation
        ``"learning-curve"``, ``"repeat-delong"``, ``"larger-variance"`` or
        ``"nadeau-bengio"``; of an MRMC analysis ``"delong"``, ``"jackknife"`` or
        ``"unbiased"``.
    automatic : bool
        Whether `variance` was chosen by ``method="auto"``.
    clustered : bool
        Whether patients, not cases, are the independent units.
    version : str or None
        Version of the test that ran: ``"exact"``, ``"mid-p"``, ``"chi-square"`` ... or the
        kind of interval, ``"BCa"``, ``"logit"`` ...
    n_resamples : int or None
        Bootstrap samples or permutations.
    exhaustive : bool or None
        Whether the permutations were all that there are.
    stratified : bool or None
        Whether the bootstrap drew within classes.
    n_arms, n_readers : int or None
        Arms compared; readers (or training runs) of each.
    random : tuple of str
        What the conclusion goes beyond in an MRMC analysis: ``"readers"``, ``"cases"``.
    n_repeats, n_folds, n_half_repeats, n_halvings : int or None
        Design of a repeated cross-validation; half-sample repeats and halvings that were given,
        of use where they are among `elasticity_sources`.
    n_seeds : float or None
        Training runs of each repeat, the mean where repeats differ.
    elasticity, elasticity_error : float or None
        How much cases matter for training, as the elasticity of a learning curve, and its
        standard error.
    elasticity_sources : tuple of ElasticitySource
        What each source says of it.
    metric : str or None
        What was compared, where there is a choice: one of :func:`metric_names`.
    higher_is_better : bool or None
        Direction of that metric; None where a value in between is best.
    margin : float or None
        Margin of a test of equivalence or non-inferiority.
    of : Procedure or None
        What made the result that such a test took.
    """

    name: str = "unspecified"
    variance: str | None = None
    automatic: bool = False
    clustered: bool = False
    version: str | None = None
    n_resamples: int | None = None
    exhaustive: bool | None = None
    stratified: bool | None = None
    n_arms: int | None = None
    n_readers: int | None = None
    random: tuple[str, ...] = ()
    n_repeats: int | None = None
    n_folds: int | None = None
    n_seeds: float | None = None
    n_half_repeats: int | None = None
    n_halvings: int | None = None
    elasticity: float | None = None
    elasticity_error: float | None = None
    elasticity_sources: tuple[ElasticitySource, ...] = ()
    metric: str | None = None
    higher_is_better: bool | None = True
    margin: float | None = None
    of: Procedure | None = None
