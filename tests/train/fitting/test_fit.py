"""The fitting loop against what it promises."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from stats_tl.study.plan import Head, Training
from stats_tl.study.splits import TEST, TRAIN, VALIDATION
from stats_tl.train.fitting.features import CachedActivations
from stats_tl.train.fitting.fit import CellModel, fit_cell
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.heads import Dropout, build_head

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    """Two overlapping clouds: 200 training, 100 validation, 100 test cases."""
    rng = np.random.default_rng(1)
    y_true = np.tile([0, 1], 200)
    features = rng.normal(size=(400, 512)).astype(np.float32)
    features[:, :40] += 0.4 * y_true[:, None].astype(np.float32)
    return features, y_true, np.repeat([TRAIN, VALIDATION, TEST], [200, 100, 100])


def fit(data, seed=3, head=None, compiled=False, **settings):
    features, y_true, partition = data
    torch.manual_seed(0)
    model = CellModel(build_backbone("squeezenet1_1"), 5, head or nn.Linear(512, 2))
    settings = {"epochs": 5, "batch_size": 32, **settings}
    inputs = CachedActivations(features, CPU)
    return fit_cell(
        model, inputs, y_true, partition, Training(**settings),
        seed=seed, device=CPU, compiled=compiled,
    )  # fmt: skip


def test_it_learns(data):
    assert fit(data, epochs=30).auc > 0.7


def test_the_same_seed_gives_the_same_bits_and_another_does_not(data):
    one, again, other = fit(data), fit(data), fit(data, seed=4)
    np.testing.assert_array_equal(one.logits, again.logits)
    assert not np.array_equal(one.logits, other.logits)


def test_the_global_generator_before_the_call_does_not_matter(data):
    head = nn.Sequential(Dropout(0.5), nn.Linear(512, 2))
    state = {name: value.clone() for name, value in head.state_dict().items()}
    one = fit(data, head=head)
    head.load_state_dict(state)
    torch.rand(100)
    np.testing.assert_array_equal(one.logits, fit(data, head=head).logits)


def test_compiled_cells_score_alike_and_share_what_is_compiled(data, monkeypatch):
    """For any number of cells one program, though their last batches differ in size."""
    programs, original = [], torch.compile

    def backend(graph, inputs):
        programs.append(graph)
        return graph.forward  # as it is: what inductor makes of it is torch's affair

    monkeypatch.setattr(torch, "compile", lambda m, **kw: original(m, backend=backend, **kw))
    features, y_true, partition = data
    for cut in range(3):
        fewer = np.where(np.arange(400) < cut, -1, partition)
        own = (features, y_true, fewer)
        head = Head(name="h", kind="nonlinear")
        one, other = (
            fit(own, head=build_head(head, 512, seed=cut), compiled=compiled)
            for compiled in (False, True)
        )
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-6)
    assert len(programs) == 1


@pytest.mark.slow
def test_torchs_own_compiler_keeps_the_dropout_masks(data):
    """Other masks would change logits of this training by .2, rounding does not."""
    one, other = (
        fit(data, head=build_head(Head(name="h", kind="nonlinear"), 512, seed=1), compiled=compiled)
        for compiled in (False, True)
    )
    np.testing.assert_allclose(one.logits, other.logits, atol=1e-4)


def test_cells_in_threads_have_dropout_masks_of_their_own(data):
    def one(_=None):
        return fit(data, head=build_head(Head(name="h", kind="nonlinear"), 512, seed=1)).logits

    alone = one()
    with ThreadPoolExecutor(3) as pool:
        for logits in pool.map(one, range(6)):
            np.testing.assert_array_equal(logits, alone)


def test_the_best_epoch_is_the_first_of_the_highest_validation_auc(data):
    long = fit(data, epochs=25, learning_rate=0.03)
    best = int(np.argmax(long.history["validation_auc"])) + 1
    assert long.epoch == best < 25
    assert long.validation_auc == pytest.approx(max(long.history["validation_auc"]), abs=1e-6)


def test_its_parameters_are_those_of_the_best_epoch(data):
    """Constant rate: training only so many epochs ends in the same place."""
    long = fit(data, epochs=25, learning_rate=0.03, schedule="constant")
    assert long.epoch < 25
    short = fit(
        data, epochs=long.epoch, learning_rate=0.03, schedule="constant", selection="last-epoch"
    )
    np.testing.assert_array_equal(long.logits, short.logits)


def test_the_last_epoch_can_be_asked_for(data):
    assert fit(data, epochs=7, selection="last-epoch", learning_rate=0.03).epoch == 7


def test_patience_ends_training(data):
    patient = fit(data, epochs=60, learning_rate=0.05, patience=4)
    assert len(patient.history["validation_auc"]) == patient.epoch + 4


def test_scores_cover_validation_and_test_and_nobody_else(data):
    np.testing.assert_array_equal(fit(data).cases, np.arange(200, 400))


def test_test_labels_are_not_looked_at(data):
    features, y_true, partition = data
    turned = y_true.copy()
    turned[partition == TEST] = 1 - turned[partition == TEST]
    one, other = fit(data), fit((features, turned, partition))
    np.testing.assert_array_equal(one.logits, other.logits)
    assert one.auc == pytest.approx(1 - other.auc)


@pytest.mark.parametrize(
    ("settings", "optimizer", "rates"),
    [
        ({"schedule": "constant"}, torch.optim.Adam, [0.1, 0.1, 0.1, 0.1]),
        ({"schedule": "halving"}, torch.optim.Adam, [0.1, 0.05, 0.025, 0.0125]),
        # eta_min + (eta - eta_min) (1 + cos(pi t / T)) / 2 with eta_min = eta / 5, T = 4
        (
            {"schedule": "cosine", "optimizer": "sgd"},
            torch.optim.SGD,
            [0.02 + 0.04 * (1 + np.cos(np.pi * t / 4)) for t in range(4)],
        ),
    ],
)
def test_schedules_follow_their_formula(data, monkeypatch, settings, optimizer, rates):
    seen = []
    step = optimizer.step

    def spy(self, *args, **kwargs):
        seen.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(optimizer, "step", spy)
    fit(data, epochs=4, batch_size=200, learning_rate=0.1, **settings)
    np.testing.assert_allclose(seen, rates)


def test_balanced_class_weights_make_rare_cases_count(data):
    """With 10 % positives, the mean predicted probability moves from .1 to about .5."""
    features, y_true, partition = data
    keep = np.flatnonzero((partition != TRAIN) | (y_true == 0) | (np.arange(400) < 23))
    rare = features[keep] * 0, y_true[keep], partition[keep]  # nothing to learn but the share
    means = {}
    for weights in ("none", "balanced"):
        result = fit(  # one batch an epoch: torch divides by the weights of each batch
            rare,
            class_weights=weights,
            epochs=150,
            batch_size=200,
            learning_rate=0.05,
            selection="last-epoch",
        )
        difference = result.logits[:, 1] - result.logits[:, 0]
        means[weights] = float(np.mean(1 / (1 + np.exp(-difference.astype(float)))))
    share = np.mean(rare[1][rare[2] == TRAIN])
    assert means["none"] == pytest.approx(share, abs=0.03)
    assert means["balanced"] == pytest.approx(0.5, abs=0.03)


def test_a_last_batch_of_one_case_does_not_break_batch_norm(data):
    head = nn.Sequential(nn.Linear(512, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    assert fit(data, head=head, batch_size=199).auc > 0
