#!/usr/bin/env bash
# Version:   lightning 2.6.6 (torch 2.13.0, numpy 2.4.6)
# Behaviour: EMAWeightAveraging averages the buffers of batch-norm, too, and so num_batches_tracked, an integer:
#            each step moves it by less than one and is cut off. In the checkpoint of an averaged network it says
#            1, however long it was trained; one would expect the number of batches. Nothing reads it in
#            evaluation; a batch-norm with momentum=None that trains on from there weighs its batches wrongly.
# Seen:      batches trained: 10; counter in state_dict: 1; n_averaged: 10
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0 lightning==2.6.6 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - >seen.txt 2>log.txt <<'PYTHON' || { cat log.txt; exit 1; }
import lightning
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import nn


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

    def training_step(self, batch, _):
        return self.net(batch[0]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


torch.manual_seed(0)
data = torch.utils.data.TensorDataset(torch.randn(40, 3))
trainer = lightning.Trainer(
    max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False,
    enable_model_summary=False, callbacks=[EMAWeightAveraging(decay=0.9)],
)
trainer.fit(Module(), torch.utils.data.DataLoader(data, batch_size=8))
trainer.save_checkpoint("last.ckpt", weights_only=False)
content = torch.load("last.ckpt", weights_only=False)
print(
    f"batches trained: {trainer.global_step}; "
    f"counter in state_dict: {content['state_dict']['net.1.num_batches_tracked']}; "
    f"n_averaged: {content['averaging_state']['n_averaged']}"
)
PYTHON
tail -1 seen.txt
grep -qx "batches trained: 10; counter in state_dict: 1; n_averaged: 10" seen.txt
