"""The four heads: layers, published sizes, initialisation, pairing."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from stats_tl.errors import UserError
from stats_tl.study.plan import BUILTIN_HEADS, Head
from stats_tl.train.networks.heads import build_head, head_memory, head_parameter_count

KINDS = ("linear", "nonlinear", "conv", "convskip")


def head(kind: str, **options) -> Head:
    return Head(name=kind, kind=kind, **options)


def leaves(module: nn.Module) -> list[nn.Module]:
    return [layer for layer in module.modules() if not list(layer.children())]


def layer_names(module: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in leaves(module)]


def test_layers_in_order():
    tail = ["Linear", "BatchNorm1d", "LeakyReLU", "Dropout", "Linear"]
    convolution = ["Conv1d", "BatchNorm1d", "LeakyReLU", "Dropout", "Flatten"]
    expected = {
        "linear": ["Linear"],
        "nonlinear": tail,
        "conv": [*convolution, *tail],
        "convskip": [*convolution, "Linear", "BatchNorm1d", "ReLU", *tail],
    }
    for kind in KINDS:
        network = build_head(head(kind, filters=4), 20, seed=0)
        assert layer_names(network) == expected[kind]
        for layer in leaves(network):
            if isinstance(layer, nn.LeakyReLU):
                assert layer.negative_slope == 0.01
            if isinstance(layer, nn.Dropout):
                assert layer.p == 0.5
        linear = [layer for layer in leaves(network) if isinstance(layer, (nn.Linear, nn.Conv1d))]
        assert [layer.bias is not None for layer in linear] == [False] * (len(linear) - 1) + [True]


def test_options_are_not_ignored():
    # The study parsed kernel size, ratio and dropout, and used none of them.
    network = build_head(head("conv", filters=3, kernel_size=5, dropout=0.25), 20, seed=0)
    convolution = network.convolution[0]
    assert (convolution.out_channels, convolution.kernel_size) == (3, (5,))
    assert (convolution.stride, convolution.padding) == ((1,), (0,))
    assert network.classifier[0].in_features == 3 * 16
    assert network.classifier[0].out_features == 3 * 16 // 2
    assert {layer.p for layer in leaves(network) if isinstance(layer, nn.Dropout)} == {0.25}
    assert build_head(head("nonlinear", ratio=1.0), 20, seed=0)[0].out_features == 20
    assert build_head(head("nonlinear", ratio=0.5), 20, seed=0)[0].out_features == 10


def weight(layer):
    return layer.weight.detach().double().numpy()


def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def batch_norm(x, layer):
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, var, gamma, beta = (
        t.detach().double().numpy().reshape(shape)
        for t in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / np.sqrt(var + 1e-5) * gamma + beta


def affine(x, layer):
    return x @ weight(layer).T + layer.bias.detach().numpy()


def nonlinear(x, layers):
    x = leaky(batch_norm(x @ weight(layers[0]).T, layers[1]))
    return affine(x, layers[4])


def convolutional(x, network):
    filters = weight(network.convolution[0])[:, 0]
    windows = np.lib.stride_tricks.sliding_window_view(x, 2, axis=1)
    signal = np.einsum("nlk,fk->nfl", windows, filters)
    flat = leaky(batch_norm(signal, network.convolution[1])).reshape(5, -1)
    if network.skip is not None:
        flat = flat + np.maximum(batch_norm(x @ weight(network.skip[0]).T, network.skip[1]), 0)
    return nonlinear(flat, network.classifier)


FORWARD = {
    "linear": affine,
    "nonlinear": nonlinear,
    "conv": convolutional,
    "convskip": convolutional,
}


@pytest.mark.parametrize("kind", KINDS)
def test_forward_against_numpy(kind):
    """The formulas of the module's docstring in plain numpy, in evaluation mode."""
    network = build_head(head(kind, filters=3, kernel_size=2), 12, seed=1)
    generator = torch.Generator().manual_seed(2)
    for layer in leaves(network):
        if isinstance(layer, nn.BatchNorm1d):
            for tensor in (layer.weight.data, layer.bias.data, layer.running_mean):
                tensor.normal_(generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
    features = torch.randn(5, 12, generator=generator)
    expected = FORWARD[kind](features.double().numpy(), network)
    with torch.no_grad():
        np.testing.assert_allclose(network.eval()(features), expected, rtol=1e-4, atol=1e-5)


def test_published_sizes():
    # 2508.17567 gives 536 M and 604 M for ResNet50 with 16 filters.
    assert round(head_parameter_count(head("conv", filters=16), 2048) / 1e6) == 536
    assert round(head_parameter_count(head("convskip", filters=16), 2048) / 1e6) == 604


@pytest.mark.parametrize("n_features", [7, 64])
@pytest.mark.parametrize(
    "options", [{"filters": 4}, {"filters": 3, "kernel_size": 5, "ratio": 1.0}]
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_count_is_what_is_built(kind, options, n_features):
    spec = head(kind, **options)
    built = sum(
        parameter.numel() for parameter in build_head(spec, n_features, seed=0).parameters()
    )
    assert head_parameter_count(spec, n_features) == built


def test_kaiming_initialisation():
    network = build_head(head("convskip", filters=8), 128, seed=3)
    slope_gain = math.sqrt(2 / (1 + 0.01**2))
    for layer, gain in [
        (network.convolution[0], slope_gain),
        (network.skip[0], math.sqrt(2)),
        (network.classifier[0], slope_gain),
        (network.classifier[4], 1.0),
    ]:
        fan_in = layer.weight[0].numel()
        n = layer.weight.numel()
        sd = layer.weight.std().item() / (gain / math.sqrt(fan_in))
        assert abs(sd - 1) < 4 / math.sqrt(2 * n)  # four standard errors
        assert abs(layer.weight.mean().item()) < 4 * gain / math.sqrt(fan_in * n)
    assert not network.classifier[4].bias.any()
    for norm in (network.convolution[1], network.skip[1], network.classifier[1]):
        assert (norm.weight == 1).all()
        assert (norm.running_var == 1).all()
        assert not norm.bias.any()
        assert not norm.running_mean.any()
        assert norm.num_batches_tracked == 0


@pytest.mark.parametrize("kind", KINDS)
def test_seed_decides_and_global_state_stays(kind):
    spec = head(kind, filters=4)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = build_head(spec, 16, seed=2**63).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again = build_head(spec, 16, seed=2**63).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    other = build_head(spec, 16, seed=3).state_dict()
    weights = [key for key, value in first.items() if value.ndim > 1]
    assert not any(torch.equal(first[key], other[key]) for key in weights)


@pytest.mark.parametrize("spec", BUILTIN_HEADS, ids=lambda spec: spec.name)
def test_a_head_learns(spec):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(64, 24, generator=generator)
    labels = (features[:, 0] + features[:, 1] > 0).long()
    network = build_head(spec, 24, seed=0)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(features), labels).backward()
        optimizer.step()
    accuracy = (network.eval()(features).argmax(1) == labels).float().mean()
    assert accuracy > 0.9


def test_memory_counts_what_adam_holds():
    spec = head("conv", filters=4)
    network = build_head(spec, 128, seed=0)
    optimizer = torch.optim.Adam(network.parameters())
    features = torch.randn(8, 128)
    network(features).sum().backward()
    optimizer.step()
    moments = [
        value
        for state in optimizer.state.values()
        for value in (state["exp_avg"], state["exp_avg_sq"])
    ]
    held = 4 * sum(
        tensor.numel()
        for parameter in network.parameters()
        for tensor in (parameter, parameter.grad)
    ) + 4 * sum(moment.numel() for moment in moments)
    estimate = head_memory(spec, 128, batch_size=8)
    assert held < estimate < 3 * held
    assert head_memory(spec, 128, batch_size=8, optimizer="sgd") < estimate
    assert head_memory(spec, 128, batch_size=512) > estimate


@pytest.mark.parametrize(
    ("spec", "n_features", "message"),
    [
        (head("conv", kernel_size=9), 8, "kernel_size = 9 does not fit 8 features"),
        (head("convskip", filters=1, kernel_size=8), 8, "expected less than 8"),
        (head("nonlinear", ratio=0.01), 8, "leaves no hidden unit; expected at least 0.12"),
    ],
)
def test_impossible_heads(spec, n_features, message):
    for function in (head_parameter_count, lambda s, n: build_head(s, n, seed=0)):
        with pytest.raises(UserError, match=message):
            function(spec, n_features)
