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


def simulate_halvings(full, n_halvings, *, n_folds=5, seed=0) -> pd.DataFrame:
    """Halves of the patients of `full`, each cross-validated by itself in two repeats."""
    rng = np.random.default_rng(seed)
    cases = full.drop_duplicates("case")
    people = cases.drop_duplicates("patient").reset_index(drop=True)
    place = people["patient"].reset_index().set_index("patient")["index"][cases["patient"]]
    y = cases["y_true"].to_numpy()
    # What a case is to one arm only: what the variance of a difference comes from.
    effect = {arm: rng.standard_normal(len(cases)) for arm in full["arm"].unique()}
    frames = []
    for halving in range(n_halvings):
        half = _deal(people["y_true"], np.arange(len(people)), 2, rng)
        for repeat in range(2):
            fold = np.empty(len(people), dtype=int)
            for h in (0, 1):
                own = np.flatnonzero(half == h)
                fold[own] = _deal(people["y_true"], own, n_folds, rng) + h * n_folds
            shared = rng.standard_normal(len(cases))
            frames += [
                cases.assign(
                    arm=arm,
                    repeat=2 * halving + repeat,
                    fold=fold[place],
                    score=y + shared + effect[arm] + 0.7 * rng.standard_normal(len(cases)),
                    design="halving",
                )
                for arm in effect
            ]
    return pd.concat(frames, ignore_index=True)


def _deal(y_true, members, n_parts, rng):
    """Parts of some members, balanced by class."""
    order = rng.permutation(members)
    order = order[np.argsort(y_true.to_numpy()[order], kind="stable")]
    parts = dict(zip(order, np.arange(len(order)) % n_parts, strict=True))
    return np.array([parts[m] for m in members])
