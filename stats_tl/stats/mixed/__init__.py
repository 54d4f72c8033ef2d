"""Linear mixed models with crossed random effects and small-sample inference.

The path of a fit: `formula` (lme4's language) → `design` (matrices) → `solver`
(`crossproducts`, `variance_state`, `criterion`, `optimize`) → `inference` (degrees of freedom) →
`contrasts`, `means`, `random_terms`, `profile` (what is asked of the fit) → `result`
→ `likelihood_ratio`.
The logistic model: `arrow` (the system of the random effects) → `laplace` (deviance and
gradient) → `laplace_search` → `binomial`.
"""

from __future__ import annotations

__all__ = [
    "BinomialMixedModelResult",
    "MarginalMeans",
    "MixedModelConvergenceWarning",
    "MixedModelResult",
    "MixedModelWarning",
    "SingularFitWarning",
    "fit_binomial_mixed_model",
    "fit_mixed_model",
    "likelihood_ratio_test",
]

from .binomial import BinomialMixedModelResult, fit_binomial_mixed_model
from .likelihood_ratio import likelihood_ratio_test
from .means import MarginalMeans
from .model import fit_mixed_model
from .result import MixedModelResult
from .warnings import MixedModelConvergenceWarning, MixedModelWarning, SingularFitWarning
