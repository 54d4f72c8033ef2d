"""Many cells at once, against the loop that trains one: the same bits, whoever is beside."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import nn

from stats_tl.study.plan import Head, Training
from stats_tl.study.splits import TEST, TRAIN, VALIDATION
from stats_tl.train.fitting.auc import trapezoidal_auc
from stats_tl.train.fitting.features import CachedActivations
from stats_tl.train.fitting.fit import CellModel, fit_cell
from stats_tl.train.fitting.stacking import HeadStack
from stats_tl.train.fitting.together import fit_together
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.heads import build_head
from stats_tl.train.networks.staged import freeze

CPU = torch.device("cpu")
N, F = 150, 48
HEADS = {
    "linear": Head(name="linear", kind="linear"),
    "nonlinear": Head(name="nonlinear", kind="nonlinear"),
    "odd": Head(name="odd", kind="nonlinear", ratio=0.4, dropout=0.3),  # 19 hidden units
    "conv": Head(name="conv", kind="conv", filters=3),
    "convskip": Head(name="convskip", kind="convskip", filters=2, kernel_size=3),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in a worker: sums that threads share depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 2, N)
    features = rng.normal(size=(N, F)).astype(np.float32)
    features[:, :10] += 0.4 * y_true[:, None].astype(np.float32)
    features[:, -1] = 0.5  # a dead feature
    return features, y_true


def split(n_train, n_validation=30, seed=0):
    """A partition with so many training cases; the rest tests."""
    codes = np.full(N, TEST)
    order = np.random.default_rng(seed).permutation(N)
    codes[order[:n_train]] = TRAIN
    codes[order[n_train : n_train + n_validation]] = VALIDATION
    return codes


#: With batches of 16: whole batches; a rest of 7; a rest of one, which is left out; two
#: batches more than the others; and a cell with fewer cases than a batch.
PARTITIONS = [split(64, 30, 1), split(71, 31, 2), split(65, 30, 3), split(90, 20, 4), split(11, 40)]
SEEDS = [11, 12, 13, 14, 15]


def settings_of(**changes):
    defaults = {"epochs": 6, "batch_size": 16, "learning_rate": 0.01, "weight_decay": 1e-3}
    return Training(**{**defaults, **changes})


def together(data, head, training, cells=range(5), **arguments):
    features, y_true = data
    return fit_together(
        [build_head(head, F, seed=SEEDS[i]) for i in cells],
        CachedActivations(features, CPU),
        y_true,
        [PARTITIONS[i] for i in cells],
        training,
        seeds=[SEEDS[i] for i in cells],
        device=CPU,
        **arguments,
    )


def alone(data, head, training, cell):
    """The loop of one cell, through torch's modules, autograd and optimisers."""
    features, y_true = data
    backbone = build_backbone("squeezenet1_1")
    freeze(backbone, 5)
    return fit_cell(
        CellModel(backbone, 5, build_head(head, F, seed=SEEDS[cell])),
        CachedActivations(features, CPU),
        y_true,
        PARTITIONS[cell],
        training,
        seed=SEEDS[cell],
        device=CPU,
    )


def assert_same_fit(one, other):
    np.testing.assert_array_equal(one.logits, other.logits)
    np.testing.assert_array_equal(one.cases, other.cases)
    assert (one.epoch, one.auc, one.validation_auc) == (
        other.epoch,
        other.auc,
        other.validation_auc,
    )
    assert one.history == other.history


@pytest.mark.parametrize("head", HEADS.values(), ids=lambda head: head.name)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"class_weights": "balanced", "standardize": True, "schedule": "halving"},
        {"optimizer": "sgd", "schedule": "constant", "class_weights": "balanced"},
        {"optimizer": "sgd", "momentum": 0.0, "selection": "last-epoch", "weight_decay": 0.0},
        {"patience": 2, "epochs": 14, "standardize": True, "learning_rate": 0.05},
    ],
    ids=["adam", "weighted", "nesterov", "plain-sgd", "patience"],
)
def test_each_cell_ends_as_if_it_had_been_alone(data, head, changes):
    training = settings_of(**changes)
    for cell, fit in enumerate(together(data, head, training)):
        assert_same_fit(fit, alone(data, head, training, cell))


def test_patience_ends_cells_at_different_epochs(data):
    """So that the case of one cell ending while others go on has been in the test above."""
    training = settings_of(patience=2, epochs=14, standardize=True, learning_rate=0.05)
    fits = together(data, HEADS["nonlinear"], training)
    lengths = [len(fit.history["train_loss"]) for fit in fits]
    assert len(set(lengths)) > 1
    assert min(lengths) < 14


@pytest.mark.parametrize("head", HEADS.values(), ids=lambda head: head.name)
def test_neighbours_do_not_matter(data, head):
    """Permuted, some of them, one of them, and twice the same cell."""
    training = settings_of(class_weights="balanced", standardize=True)
    whole = together(data, head, training)
    for cells in ([4, 2, 0, 3, 1], [1, 3], [2], [0, 0, 4]):
        for cell, fit in zip(cells, together(data, head, training, cells), strict=True):
            assert_same_fit(fit, whole[cell])


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=7),
    st.integers(2, 70),
    st.sampled_from(sorted(HEADS)),
)
@settings(max_examples=25)
def test_no_company_and_no_batch_size_matters(cells, batch_size, name):
    """Any multiset of cells, any batch size (and so any alignment of a batch in memory)."""
    rng = np.random.default_rng(5)
    y_true = np.tile([0, 1], N // 2)
    data = rng.normal(size=(N, F)).astype(np.float32), y_true
    training = settings_of(batch_size=batch_size, epochs=2)
    fits = together(data, HEADS[name], training, cells)
    for cell, fit in zip(cells, fits, strict=True):
        assert_same_fit(fit, together(data, HEADS[name], training, [cell])[0])


@pytest.mark.parametrize("head", HEADS.values(), ids=lambda head: head.name)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_merged_program_agrees_up_to_rounding(data, head, optimizer):
    """What runs on CUDA, here on the CPU: the same dropout, the same batches."""
    training = settings_of(
        optimizer=optimizer, class_weights="balanced", standardize=True, selection="last-epoch",
        epochs=2,
    )  # fmt: skip
    exact = together(data, head, training)
    for one, other in zip(exact, together(data, head, training, exact=False), strict=True):
        np.testing.assert_allclose(one.logits, other.logits, rtol=0, atol=2e-5)
        assert one.history["train_loss"] == pytest.approx(other.history["train_loss"], abs=2e-5)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("head", HEADS.values(), ids=lambda head: head.name)
def test_gradients_are_those_of_autograd(head, exact):
    """Of a sum that weighs the logits of two cells; exact in double precision."""
    cells, batch, dtype = 2, 9, torch.float64 if exact else torch.float32
    heads = [build_head(head, F, seed=seed).to(dtype) for seed in (1, 2)]
    for module in (m for own in heads for m in own.modules() if isinstance(m, nn.Dropout)):
        module.p = 0.0
    stack = HeadStack(heads, [torch.Generator()] * cells, CPU, exact=exact)
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(cells, batch, F, generator=rng, dtype=dtype)
    g = torch.randn(cells, batch, 2, generator=rng, dtype=dtype)
    logits = stack.forward(x, slice(0, cells), training=True)
    stack.backward(g, slice(0, cells))
    for cell, own in enumerate(heads):
        own.train()
        expected = own(x[cell])
        tolerance = dict.fromkeys(("rtol", "atol"), 1e-12 if exact else 1e-5)
        torch.testing.assert_close(logits[cell], expected, **tolerance)
        expected.backward(g[cell])
        for name, parameter in own.named_parameters():
            torch.testing.assert_close(stack.gradients[name][cell], parameter.grad, **tolerance)
        for name, buffer in own.named_buffers():
            if name in stack.buffers:
                torch.testing.assert_close(stack.buffers[name][cell], buffer, **tolerance)


def test_one_cell_that_explodes_does_not_take_the_others_along(data):
    features, y_true = data
    training = settings_of(optimizer="sgd", learning_rate=0.5, weight_decay=0.0)
    broken = features.copy()
    only = np.flatnonzero((PARTITIONS[3] == TRAIN) & (PARTITIONS[0] != TRAIN))[0]
    broken[only] = np.inf
    partitions = [PARTITIONS[0].copy(), PARTITIONS[3]]
    partitions[0][only] = -1  # the cell does not use this case at all
    fits = fit_together(
        [build_head(HEADS["linear"], F, seed=1) for _ in partitions],
        CachedActivations(broken, CPU), y_true, partitions, training, seeds=[1, 2], device=CPU,
    )  # fmt: skip
    assert isinstance(fits[1], FloatingPointError)
    assert "not finite in epoch 1" in str(fits[1])
    single = fit_together(
        [build_head(HEADS["linear"], F, seed=1)], CachedActivations(features, CPU), y_true,
        partitions[:1], training, seeds=[1], device=CPU,
    )  # fmt: skip
    assert_same_fit(fits[0], single[0])


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-4, 4)), min_size=2, max_size=40).filter(
        lambda rows: len({label for label, _ in rows}) == 2
    )
)
def test_the_auc_is_that_of_scikit_learn(rows):
    """Ties included: few values for many cases."""
    y_true = np.array([label for label, _ in rows]).astype(int)
    scores = np.array([value for _, value in rows], dtype=np.float32) / 3
    assert trapezoidal_auc(y_true, scores) == pytest.approx(
        roc_auc_score(y_true, scores), abs=1e-15
    )


def test_curves_that_tie_for_scikit_learn_tie_here():
    """Epochs are chosen by the first of the highest AUC: the last bit decides."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(5, 200))
        y_true = rng.permutation(np.arange(n) % 3 == 0).astype(int)
        scores = rng.normal(size=n).astype(np.float32).round(int(rng.integers(0, 3)))
        assert trapezoidal_auc(y_true, scores) == roc_auc_score(y_true, scores)
