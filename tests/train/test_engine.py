"""From a plan to an archive: pairs stay pairs, shortcuts change nothing, nothing is lost."""

import itertools
import weakref

import numpy as np
import pytest
import torch

from stats_tl.archive import files, load, store
from stats_tl.archive.files import write_atomically
from stats_tl.archive.integrity.verification import verify
from stats_tl.errors import UserError
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train import worker
from stats_tl.train.fitting.features import CachedActivations, ImagePass, compute_activations
from stats_tl.train.fitting.fit import CellModel, fit_cell
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.heads import build_head
from stats_tl.train.networks.preprocessing import PREPROCESSING
from stats_tl.train.networks.weights import save_backbone
from stats_tl.train.planning.units import weights_seed


def scores_of(root):
    """Scores by (everything but the arm's name and identifiers)."""
    return load(root).scores()


def assert_same_scores(one, other, tolerance=0.0):
    keys = ["task", "backbone", "head", "unfreeze", "repeat", "fold", "seed", "partition", "case"]
    one, other = one.set_index(keys)["score"], other.set_index(keys)["score"]
    assert len(one)
    assert one.index.equals(other.index)
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.fixture
def one_checkpoint(tiny, tmp_path):
    """The tiny plan with a fixed checkpoint for both arms."""
    backbone = build_backbone("squeezenet1_1", seed=5)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save_backbone(backbone, {}))
    for arm in tiny["arms"]:
        arm.update(source="checkpoint", files={"squeezenet1_1": "weights.safetensors"})
    return tiny


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_arms_with_the_same_weights_get_the_same_scores(
    one_checkpoint, run_plan, tmp_path, unfreeze
):
    """The pairing: head, batches and dropout are those of the pair, bit for bit."""
    one_checkpoint["grid"][0]["unfreeze"] = [unfreeze]
    run_plan(one_checkpoint)
    archive = load(tmp_path / "runs" / "tiny")
    assert_same_scores(archive.scores(arm="a"), archive.scores(arm="b"))
    other = archive.scores(arm="a", repeat=0)["score"].to_numpy()
    assert not np.allclose(other, archive.scores(arm="a", repeat=1)["score"].to_numpy())


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_cached_activations_agree_with_the_plain_path(one_checkpoint, run_plan, tmp_path, unfreeze):
    """The truth: one cell at a time, images through the whole network in every epoch."""
    one_checkpoint["grid"][0]["unfreeze"] = [unfreeze]
    one_checkpoint["cv"]["repeats"] = 1
    run_plan(one_checkpoint, "cached")
    run_plan(one_checkpoint, "plain", cache_bytes=0)
    assert_same_scores(
        scores_of(tmp_path / "cached" / "tiny"), scores_of(tmp_path / "plain" / "tiny"), 1e-5
    )


def test_standardized_features_do_not_depend_on_their_scale(tiny):
    """Multiply and shift every feature: the scores stay, up to rounding."""
    cells = plan_cells(parse_plan(tiny))
    training = cells[0].setting.training.model_copy(update={"standardize": True})
    rng = np.random.default_rng(0)
    y_true = np.tile([0, 1], 30)
    features = (rng.normal(size=(60, 512)) + 0.3 * y_true[:, None]).astype(np.float32)
    features[:, 0] = 1  # a dead feature
    partition = np.repeat([0, 1, 2], 20)
    logits = []
    for activations in (features, features * np.float32(8) + np.float32(2)):
        model = CellModel(
            build_backbone("squeezenet1_1"),
            5,
            build_head(cells[0].setting.head, 512, seed=1),
        )
        inputs = CachedActivations(activations, torch.device("cpu"))
        fit = fit_cell(
            model, inputs, y_true, partition, training, seed=1, device=torch.device("cpu")
        )
        logits.append(fit.logits)
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-4)


def test_augmentation_is_shared_by_the_pair_and_changes_the_scores(
    one_checkpoint, run_plan, tmp_path
):
    one_checkpoint["cv"]["repeats"] = 1
    one_checkpoint["grid"][0]["heads"] = ["linear"]
    run_plan(one_checkpoint, "plain")
    one_checkpoint["training"]["augmentation"] = "affine"
    run_plan(one_checkpoint, "augmented")
    augmented = load(tmp_path / "augmented" / "tiny")
    assert_same_scores(augmented.scores(arm="a"), augmented.scores(arm="b"))
    plain = load(tmp_path / "plain" / "tiny").scores()["score"]
    assert not np.allclose(plain, augmented.scores()["score"])


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_cached_views_are_the_views_of_every_epoch(one_checkpoint, run_plan, tmp_path, unfreeze):
    """Kept, and drawn and passed through the network in every epoch: the same, in each arm."""
    one_checkpoint["cv"]["repeats"] = 1
    one_checkpoint["grid"][0].update(heads=["nonlinear"], unfreeze=[unfreeze])
    one_checkpoint["training"].update(augmentation="affine", augmentation_views=2)
    run_plan(one_checkpoint, "cached")
    run_plan(one_checkpoint, "plain", cache_bytes=0)
    cached = load(tmp_path / "cached" / "tiny")
    assert_same_scores(cached.scores(), scores_of(tmp_path / "plain" / "tiny"), 1e-5)
    assert_same_scores(cached.scores(arm="a"), cached.scores(arm="b"))


def test_half_precision_is_rounding_that_no_cache_changes(one_checkpoint, run_plan, tmp_path):
    one_checkpoint["cv"]["repeats"] = 1
    one_checkpoint["grid"][0]["heads"] = ["linear"]
    run_plan(one_checkpoint, "full")
    one_checkpoint["training"]["activations"] = "float16"
    run_plan(one_checkpoint, "cached")
    run_plan(one_checkpoint, "plain", cache_bytes=0)
    half = scores_of(tmp_path / "cached" / "tiny")
    assert_same_scores(half, scores_of(tmp_path / "plain" / "tiny"), 1e-5)
    full = scores_of(tmp_path / "full" / "tiny")["score"].to_numpy()
    assert 1e-6 < np.abs(half["score"].to_numpy() - full).max() < 0.01


def test_workers_and_interruptions_do_not_change_the_archive(tiny, run_plan, tmp_path, monkeypatch):
    run_plan(tiny, "whole")
    run_plan(tiny, "two", jobs=2)
    whole = load(tmp_path / "whole" / "tiny")
    assert load(tmp_path / "two" / "tiny").digest == whole.digest

    fit, calls = worker.fit_together, []

    def killed(*args, **kwargs):
        calls.append(1)
        if len(calls) in (4, 8):  # the second head of a chunk, which is then lost
            raise KeyboardInterrupt
        return fit(*args, **kwargs)

    monkeypatch.setattr(worker, "fit_together", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_plan(tiny, "torn")
    run_plan(tiny, "torn")
    torn = load(tmp_path / "torn" / "tiny")
    assert torn.digest == whole.digest
    assert len(torn.cells) == 16
    # Eight pairs of cells, of which each interruption lost one that was trained and the torn one.
    assert len(calls) == 8 + 2 * 2


def test_what_is_done_is_not_done_again(tiny, run_plan):
    assert len(run_plan(tiny, select={"repeat": {"0"}})) == 8
    assert len(run_plan(tiny)) == 8
    assert run_plan(tiny) == []


def test_a_failed_cell_is_recorded_and_the_others_go_on(tiny, run_plan, tmp_path, monkeypatch):
    fit = worker.fit_together

    def fails(heads, *args, **kwargs):
        if len(list(heads[0].children())):  # the nonlinear head is a sequence
            return [FloatingPointError("the training loss is not finite in epoch 2")] * len(heads)
        return fit(heads, *args, **kwargs)

    monkeypatch.setattr(worker, "fit_together", fails)
    outcomes = run_plan(tiny)
    assert sum(bool(outcome.reason) for outcome in outcomes) == 8
    archive = load(tmp_path / "runs" / "tiny")
    assert len(archive.cells) == 8
    assert set(archive.missing["head"]) == {"nonlinear"}
    assert archive.missing["reason"].str.contains("not finite in epoch 2").all()
    monkeypatch.setattr(worker, "fit_together", fit)
    assert run_plan(tiny) == []
    assert len(run_plan(tiny, retry_failed=True)) == 8
    assert load(tmp_path / "runs" / "tiny").missing.empty


def test_a_loss_that_explodes_is_a_failed_cell(tiny, run_plan):
    tiny["grid"][0].update(heads=["linear"], unfreeze=["all"])
    tiny["cv"].update(repeats=1)
    tiny["training"].update(optimizer="sgd", learning_rate=10.0, weight_decay=10.0, epochs=60)
    outcomes = run_plan(tiny)
    assert outcomes
    assert all("not finite" in outcome.reason for outcome in outcomes)


def test_records_say_what_was_done(tiny, run_plan, tmp_path):
    tiny["grid"][0].update(heads=["linear"], unfreeze=[0, 1])
    run_plan(tiny)
    archive = load(tmp_path / "runs" / "tiny")
    for record in archive.records():
        trainable = 2 * 512 + 2
        if record["key"]["unfreeze"] == "1":  # fire8 and fire9 of SqueezeNet 1.1
            trainable += sum(
                c_in * s + s + s * e + e + 9 * s * e + e
                for c_in, s, e in ((384, 64, 256), (512, 64, 256))
            )
        assert record["parameters"]["trainable"] == trainable
        assert record["weights"]["source"] == "random"
        assert len(record["history"]["validation_auc"]) == 3
        best = int(np.argmax(record["history"]["validation_auc"])) + 1
        assert record["selection"] == {"rule": "best-validation-auc", "epoch": best}
        counts = record["counts"]
        assert sum(part["patients"] for part in counts.values()) == 30
        assert record["environment"]["packages"]["torch"]
    # The stored metric is a cache of what the scores say.
    from sklearn.metrics import roc_auc_score

    scores = archive.scores(partition="test")
    for cell_id, group in scores.groupby("cell_id"):
        stored = archive.cells.set_index("cell_id").loc[cell_id, "auc"]
        assert stored == pytest.approx(roc_auc_score(group["y_true"], group["score"]), abs=1e-12)


def test_no_patient_is_on_two_sides_of_the_archived_splits(tiny, run_plan, tmp_path):
    run_plan(tiny, select={"head": {"linear"}})
    archive = load(tmp_path / "runs" / "tiny")
    splits = archive.splits("breast").merge(archive.cases("breast")[["case", "patient"]], on="case")
    sides = splits.groupby(["repeat", "fold", "patient"])["partition"].nunique()
    assert (sides == 1).all()
    tested = archive.scores(partition="test", arm="a", head="linear")
    assert (tested.groupby(["repeat", "case"]).size() == 1).all()


def test_random_arms_record_their_draw(tiny, run_plan, tmp_path):
    outcomes = run_plan(tiny, select={"head": {"linear"}})
    seeds = {outcome.cell.cell_id: weights_seed(outcome.cell) for outcome in outcomes}
    for record in load(tmp_path / "runs" / "tiny").records():
        assert record["seeds"]["weights"] == seeds[record["cell_id"]]


def test_other_weights_than_the_archived_are_refused(one_checkpoint, run_plan, tmp_path):
    for arm in one_checkpoint["arms"]:
        arm["source"] = "radimagenet"  # known by name, so that the identifiers stay
    one_checkpoint["grid"][0]["heads"] = ["linear"]
    one_checkpoint["grid"][0]["backbones"] = ["resnet50"]
    one_checkpoint["training"]["image_size"] = 32
    for arm in one_checkpoint["arms"]:
        arm["files"] = {"resnet50": "weights.safetensors"}
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save_backbone(build_backbone("resnet50", seed=1), {}))
    run_plan(one_checkpoint, select={"repeat": {"0"}, "fold": {"0"}})
    path.write_bytes(save_backbone(build_backbone("resnet50", seed=2), {}))
    with pytest.raises(UserError, match="archived cells used"):
        run_plan(one_checkpoint)


def test_a_study_that_grows_is_whole_wherever_it_is_killed(tiny, run_plan, tmp_path, monkeypatch):
    """Stopped before each file of the grown description appears; then it goes on."""
    root = tmp_path / "runs" / "tiny"
    tiny["cv"]["repeats"] = 1
    run_plan(tiny)
    grown = {}
    for repeats in (2, 3):
        before = load(root).digest
        tiny["cv"]["repeats"] = repeats
        for place in itertools.count():
            count = itertools.count()

            def stops(path, data, place=place, count=count):
                if path.parent.name == "tasks" and next(count) == place:
                    raise KeyboardInterrupt
                write_atomically(path, data)

            with monkeypatch.context() as patch:
                for module in (files, store):
                    patch.setattr(module, "write_atomically", stops)
                try:
                    run_plan(tiny, extend=True)
                    break
                except KeyboardInterrupt:
                    assert load(root).cell_ids  # raises where anything is damaged
        assert place >= 2
        grown[repeats] = load(root)
        assert grown[repeats].digest != before
    assert len(grown[3].splits("breast")[["repeat", "fold"]].drop_duplicates()) == 6
    # Who opened it before it grew reads on.
    earlier = grown[3].splits("breast").query("repeat < 2").astype(str)
    assert grown[2].splits("breast").astype(str).equals(earlier)
    assert not verify(root).problems
    assert len(list((root / "tasks").glob("*.parquet"))) == 3


def test_what_ran_out_of_memory_is_let_go_before_the_next_cell(tiny, run_plan, monkeypatch):
    """A stack that does not fit, then its cells one by one, of which every other one fails."""
    held, alive, fit_cell = [], [], worker.fit_cell

    def no_stack(heads, *_, **__):
        held.extend(map(weakref.ref, heads))
        raise torch.OutOfMemoryError("a stack")

    def every_other(model, *args, **kwargs):
        alive.append(sum(ref() is not None for ref in held))
        held.append(weakref.ref(model.head))
        if len(alive) % 2:
            raise torch.OutOfMemoryError("a cell")
        return fit_cell(model, *args, **kwargs)

    monkeypatch.setattr(worker, "fit_together", no_stack)
    monkeypatch.setattr(worker, "fit_cell", every_other)
    run_plan(tiny)
    assert len(alive) > 4
    assert not any(alive)


def test_lower_precision_is_not_that_of_what_could_be_cached():
    """Else --cache-gib, which says how much is kept, would change results."""
    backbone = build_backbone("squeezenet1_1", seed=1)
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 64, 64), dtype=np.uint8)
    cpu, cases = torch.device("cpu"), torch.arange(3)
    preprocess = PREPROCESSING["imagenet"]
    (kept,) = compute_activations(images, backbone, 4, preprocess, cpu)
    for augment, dtype in ((False, torch.float32), (True, torch.bfloat16)):
        inputs = ImagePass(images, backbone, 4, preprocess, augment=augment, device=cpu)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            batch = inputs.training_batch(cases, torch.Generator().manual_seed(0), 1)
        assert batch.dtype == dtype
        if not augment:
            np.testing.assert_array_equal(batch, kept)


def test_kept_backbones_do_not_pile_up_in_memory(tiny, run_plan, tmp_path, monkeypatch):
    """A chunk of four cells is committed by twos."""
    monkeypatch.setattr(worker, "TRAINED_CHUNK", 2)
    tiny["keep"] = {"backbones": True}
    run_plan(tiny)
    root = tmp_path / "runs" / "tiny"
    parts = load(root).part_names
    assert len(parts) == len(load(root).cells) / 2
    assert len(list((root / "backbones").iterdir())) == len(load(root).cells)
    assert not verify(root).problems
    # Another run has the same files, so that archives can be merged.
    run_plan(tiny, "again")
    for path in (root / "backbones").iterdir():
        other = tmp_path / "again" / "tiny" / "backbones" / path.name
        assert other.read_bytes() == path.read_bytes()
