"""Made-up scores in the layout of the archive."""

from __future__ import annotations

import numpy as np
import pandas as pd


def simulate_scores(
    *,
    arms=(("imagenet", 1.0), ("radimagenet", 1.3)),
    task="breast",
    backbone="resnet18",
    head="linear",
    unfreeze="0",
    n_patients=120,
    repeats=5,
    folds=5,
    seeds=1,
    seed=0,
    model_seed=0,
) -> pd.DataFrame:
    """Repeated patient-level cross-validation; the number beside an arm is its signal.

    `seed` makes the data set and its splits, `model_seed` the scores.
    """
    rng = np.random.default_rng(seed)
    models = np.random.default_rng([seed, model_seed])
    patient = np.repeat(np.arange(n_patients), rng.integers(1, 4, n_patients))
    positive = rng.permutation(np.arange(n_patients) % 3 == 0)
    y = positive[patient].astype(int)
    n = len(y)
    case_effect = rng.standard_normal(n) * 0.6 + rng.standard_normal(n_patients)[patient] * 0.5
    frames = []
    for repeat in range(repeats):
        fold_of = np.empty(n_patients, dtype=int)
        for value in (False, True):
            members = rng.permutation(np.flatnonzero(positive == value))
            fold_of[members] = np.arange(len(members)) % folds
        fold = fold_of[patient]
        for s in range(seeds):
            for arm, signal in arms:
                # Every fold's model has its own offset and scale, as trained networks do.
                offset = models.normal(0, 3, folds)[fold]
                score = offset + signal * y + case_effect + 0.5 * models.standard_normal(n)
                frames.append(
                    pd.DataFrame(
                        {
                            "task": task,
                            "backbone": backbone,
                            "head": head,
                            "unfreeze": unfreeze,
                            "arm": arm,
                            "repeat": repeat,
                            "fold": fold,
                            "seed": s,
                            "case": [f"c{i:04d}" for i in range(n)],
                            "patient": [f"p{i:03d}" for i in patient],
                            "y_true": y,
                            "partition": "test",
                            "score": score,
                        }
                    )
                )
    return pd.concat(frames, ignore_index=True)
