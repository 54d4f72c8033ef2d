"""Networks of the field's libraries, saved as their users do: the same pooled features here.

Where a library is not installed, its tests are skipped with that reason; its names and
shapes, which ``library_keys.py`` wrote down, are tested always.
"""

import argparse
import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from stats_tl.errors import UserError
from stats_tl.study.plan import Arm
from stats_tl.train.networks import checkpoint, torchvision_ops
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.weights import resolve_weights

KEYS = Path(__file__).with_name("library_keys.json")


def library(name: str):
    """A library, or a skip with the reason; torchvision first, which others import."""
    assert torchvision_ops.models
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    return importlib.import_module(name)


def shaken(network: nn.Module) -> nn.Module:
    """In evaluation mode, with batch-norms that are not the identity."""
    torch.manual_seed(7)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.7, 1.4)
            nn.init.uniform_(module.weight, 0.7, 1.4)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network.eval()


def pooled(features: torch.Tensor) -> torch.Tensor:
    return features.mean((2, 3))


def features_here(backbone: str, path: Path, x: torch.Tensor, **options) -> torch.Tensor:
    arm = Arm(name="own", source="checkpoint", files={backbone: path.name}, **options)
    weights = resolve_weights(arm, backbone, base=path.parent, seed=None)
    network = build_backbone(backbone).eval()
    network.load_library_state_dict(weights.state_dict)
    return network(x)


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert expected.std() > 0.01
    assert ((found - expected).abs().max() / expected.abs().max()) <= 1e-5


def hugging_face(tmp_path):
    library("transformers")
    from transformers import ResNetConfig, ResNetForImageClassification

    network = shaken(ResNetForImageClassification(ResNetConfig()))
    network.save_pretrained(tmp_path)
    return "resnet50", tmp_path / "model.safetensors", lambda x: pooled(network.resnet(x)[0])


def hugging_face_timm(tmp_path):
    library("timm")
    library("transformers")
    from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

    network = shaken(TimmWrapperForImageClassification(TimmWrapperConfig(architecture="resnet18")))
    network.save_pretrained(tmp_path)
    inner = network.timm_model
    return "resnet18", tmp_path / "model.safetensors", lambda x: pooled(inner.forward_features(x))


def timm_hub(name: str, backbone: str):
    def make(tmp_path):
        timm = library("timm")
        network = shaken(timm.create_model(name))
        timm.models.save_for_hf(network, tmp_path)
        path = tmp_path / "pytorch_model.bin"
        return backbone, path, lambda x: pooled(network.forward_features(x))

    return make


def timm_training(tmp_path):
    timm = library("timm")
    from timm.utils import CheckpointSaver

    network = shaken(timm.create_model("resnet18"))
    saver = CheckpointSaver(
        network,
        torch.optim.SGD(network.parameters(), 0.1),
        args=argparse.Namespace(model="resnet18", lr=0.1),
        checkpoint_dir=str(tmp_path),
    )
    saver.save_checkpoint(0, 1.0)
    return "resnet18", tmp_path / "last.pth.tar", lambda x: pooled(network.forward_features(x))


def monai_densenet(tmp_path):
    nets = library("monai.networks.nets") if library("monai") else None
    network = shaken(nets.DenseNet121(spatial_dims=2, in_channels=3, out_channels=2))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    features = network.features
    return "densenet121", tmp_path / "model.pt", lambda x: pooled(features(x).relu())


def monai_fully_convolutional(tmp_path):
    nets = library("monai.networks.nets") if library("monai") else None
    network = shaken(nets.TorchVisionFCModel("resnet18", num_classes=2))
    torch.save({"model": network.state_dict()}, tmp_path / "model.pt")
    return "resnet18", tmp_path / "model.pt", lambda x: pooled(network.features(x))


def xrayvision(tmp_path):
    xrv = library("torchxrayvision")
    network = shaken(xrv.models.DenseNet(num_classes=18, in_channels=1))
    network.register_buffer("op_threshs", torch.full((18,), float("nan")))
    torch.save(network.state_dict(), tmp_path / "xrv.pt")
    grey = lambda x: network.features2(x[:, :1])  # noqa: E731
    return "densenet121", tmp_path / "xrv.pt", grey


def segmentation(tmp_path):
    smp = library("segmentation_models_pytorch")
    network = shaken(smp.Unet("resnet18", encoder_weights=None))
    network.save_pretrained(tmp_path)
    return "resnet18", tmp_path / "model.safetensors", lambda x: pooled(network.encoder(x)[-1])


def lightning(tmp_path):
    pl = library("lightning")

    class Module(pl.LightningModule):
        def __init__(self, **options):
            super().__init__()
            self.save_hyperparameters()
            self.net = torchvision_ops.models.resnet18(weights=None)
            self.loss = nn.CrossEntropyLoss(weight=torch.ones(2))

        def training_step(self, batch, _):
            return self.loss(self.net(batch[0])[:, :2], batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.01)

    module = Module(out=tmp_path, args=argparse.Namespace(lr=0.1))
    data = torch.utils.data.TensorDataset(torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 0, 1]))
    trainer = pl.Trainer(
        max_epochs=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        accelerator="cpu", default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=4))
    shaken(module)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    body = nn.Sequential(*list(module.net.children())[:-2])
    return "resnet18", tmp_path / "last.ckpt", lambda x: pooled(body(x))


def fastai(tmp_path):
    """``vision_learner`` and ``Learner.save``, with the state of the optimiser."""
    library("fastai")
    from fastai.data.core import DataLoaders
    from fastai.losses import CrossEntropyLossFlat
    from fastai.vision.learner import vision_learner

    data = torch.utils.data.TensorDataset(torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 0, 1]))
    loaders = DataLoaders.from_dsets(data, data, bs=2, num_workers=0)
    learner = vision_learner(
        loaders, torchvision_ops.models.resnet18, pretrained=False, n_out=2, normalize=False,
        loss_func=CrossEntropyLossFlat(), path=tmp_path,
    )  # fmt: skip
    body = shaken(learner.model)[0]
    learner.create_opt()
    path = learner.save("last")
    return "resnet18", Path(path), lambda x: pooled(body(x))


LIBRARIES: dict[str, Callable] = {
    "transformers ResNet": hugging_face,
    "transformers timm wrapper": hugging_face_timm,
    "timm resnet50": timm_hub("resnet50", "resnet50"),
    "timm densenet121": timm_hub("densenet121", "densenet121"),
    "timm inception_v3": timm_hub("inception_v3", "inception_v3"),
    "timm train.py": timm_training,
    "MONAI DenseNet121": monai_densenet,
    "MONAI TorchVisionFCModel": monai_fully_convolutional,
    "torchxrayvision DenseNet": xrayvision,
    "segmentation-models-pytorch Unet": segmentation,
    "lightning": lightning,
    "fastai": fastai,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LIBRARIES)
def test_pooled_features_are_those_of_the_library(name, tmp_path):
    backbone, path, reference = LIBRARIES[name](tmp_path)
    x = torch.randn(2, 1, 96, 96).expand(-1, 3, -1, -1)  # grey, as three channels
    options = {"preprocessing": "xrayvision"} if "xray" in name else {}
    with torch.no_grad():
        assert_same(features_here(backbone, path, x, **options), reference(x))


RECORDED = json.loads(KEYS.read_text())


@pytest.mark.parametrize("name", RECORDED)
def test_names_and_shapes_of_the_libraries_are_mapped(name):
    entry = RECORDED[name]
    generator = torch.Generator().manual_seed(1)
    state = {
        key: torch.randn(shape, generator=generator) if shape else torch.tensor(3)
        for key, shape in entry["keys"].items()
    }
    placed = checkpoint.find_backbone({"": state}, entry["backbone"], name=name)
    backbone = build_backbone(entry["backbone"])
    backbone.load_library_state_dict(placed.state)
    assert len(placed.dropped) + len(backbone.state_dict()) >= len(state)
    # Every tensor that was not dropped is in the backbone.
    own = {checkpoint.state_digest({"": value}) for value in placed.state.values()}
    first = next(iter(placed.state)) if placed.one_channel else None
    kept = [key for key in state if key not in placed.dropped and not (first and "conv0" in key)]
    assert all(checkpoint.state_digest({"": state[key]}) in own for key in kept)


@pytest.mark.parametrize(
    ("config", "backbone", "message"),
    [
        ({"architecture": "resnetblur50.bt_in1k"}, "resnet50", "architecture = 'resnetblur50"),
        ({"architecture": "resnetaa50"}, "resnet50", "architecture = 'resnetaa50'"),
        (
            {"encoder_name": "resnet50", "encoder_output_stride": 8},
            "resnet50",
            "output stride of 8",
        ),
        ({"model_type": "resnet", "downsample_in_bottleneck": True}, "resnet50", "in_bottleneck"),
        ({"architecture": "resnet18", "model_args": {"output_stride": 16}}, "resnet18", "of 16"),
    ],
)
def test_a_configuration_that_names_another_function_is_refused(
    tmp_path, config, backbone, message
):
    state = build_backbone(backbone, seed=1).library_state_dict()
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(state, path)
    x = torch.zeros(1, 3, 64, 64)
    features_here(backbone, path, x)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"config.json beside it says .*{message}"):
        features_here(backbone, path, x)


def test_a_file_that_names_another_function_itself_is_refused(tmp_path):
    state = build_backbone("resnet18", seed=1).library_state_dict()
    torch.save({"state_dict": state, "arch": "resnetblur18"}, tmp_path / "x.pth.tar")
    with pytest.raises(UserError, match="the file says that it is of 'resnetblur18'"):
        features_here("resnet18", tmp_path / "x.pth.tar", torch.zeros(1, 3, 64, 64))


def test_a_configurations_scaling_is_taken_over(tmp_path):
    state = build_backbone("inception_v3", seed=1).library_state_dict()
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(state, path)
    arm = Arm(name="own", source="checkpoint", files={"inception_v3": path.name})
    with pytest.raises(UserError, match=r"'symmetric' if it was fine-tuned .* 'imagenet' if it"):
        resolve_weights(arm, "inception_v3", base=tmp_path, seed=None)
    scaling = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    config = {"architecture": "inception_v3", "pretrained_cfg": scaling}
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = resolve_weights(arm, "inception_v3", base=tmp_path, seed=None)
    assert loaded.record["preprocessing"] == "symmetric"


def test_a_first_layer_of_one_channel(tmp_path):
    """The grey path is exact, and a scaling that differs between channels is refused."""
    state = build_backbone("resnet18", seed=1).library_state_dict()
    generator = torch.Generator().manual_seed(2)
    grey = torch.randn(64, 1, 7, 7, generator=generator)
    torch.save({**state, "conv1.weight": grey}, tmp_path / "grey.pt")
    path = tmp_path / "grey.pt"
    for preprocessing, message in ((None, "none is given"), ("imagenet", "'imagenet' differs")):
        with pytest.raises(UserError, match=f"one channel.*{message}"):
            features_here("resnet18", path, torch.zeros(1, 3, 64, 64), preprocessing=preprocessing)
    x = torch.randn(2, 1, 64, 64, generator=generator)
    network = torchvision_ops.models.resnet18(weights=None)
    network.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    network.fc = nn.Identity()
    network.load_state_dict({**state, "conv1.weight": grey})
    with torch.no_grad():
        expected = network.eval()(x)
        found = features_here("resnet18", path, x.expand(-1, 3, -1, -1), preprocessing="unit")
    assert_same(found, expected)
