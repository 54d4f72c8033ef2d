"""The identity of scores."""

import numpy as np

from stats_tl.archive.schema import scores_digest
from stats_tl.study.cells import plan_cells

from .conftest import make_result


def test_the_digest_of_scores_ignores_the_order_of_rows(plan):
    scores = make_result(plan_cells(plan)[0]).scores
    digest = scores_digest(scores)
    assert digest == scores_digest(scores.sample(frac=1, random_state=1))
    changed = scores.copy()
    changed.loc[3, "logit_1"] += np.float32(1e-6)
    assert digest != scores_digest(changed)
