"""Operations and shapes of backbones, against torch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stats_tl.study.plan import STAGE_COUNTS
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.survey import survey_backbone


@pytest.mark.parametrize("name", STAGE_COUNTS)
def test_operations_and_shapes_are_those_that_torch_counts(name):
    survey = survey_backbone(name, 96)
    backbone = build_backbone(name).to("meta").eval()
    image = torch.empty(1, 3, 96, 96, device="meta")
    for boundary in (0, 2, STAGE_COUNTS[name]):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            activation = backbone.prefix(image, boundary)
        assert sum(survey.operations[:boundary]) == counter.get_total_flops()
        assert survey.shapes[boundary] == tuple(activation.shape[1:])


@pytest.mark.parametrize("name", ["timm:convnext_atto", "timm:vit_tiny_patch16_224"])
def test_linear_layers_are_counted_too(name):
    pytest.importorskip("timm")
    backbone, image = build_backbone(name).eval(), torch.zeros(1, 3, 224, 224)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        backbone(image)
    assert sum(survey_backbone(name, 224).operations) == pytest.approx(
        counter.get_total_flops(), rel=0.1
    )
