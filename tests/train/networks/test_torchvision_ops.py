"""The import of torchvision, with and without its compiled operators."""

import subprocess
import sys


def run(script: str) -> str:
    """Run in a fresh interpreter, for an import happens once."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_passes_where_the_extension_cannot_be_loaded():
    # Whatever is installed here, `load_library` fails as it does beside another torch.
    script = """
import torch
def fail(path): raise OSError("libcudart.so.13: cannot open shared object file")
torch.ops.load_library = fail
from stats_tl.train.networks.torchvision_ops import models
net = models.squeezenet1_1(weights=None)
print(net.eval()(torch.zeros(1, 3, 64, 64)).shape[1])
import torchvision
print(torchvision.models is models)
"""
    assert run(script).split() == ["1000", "True"]


def test_nothing_is_declared_where_torchvision_imports():
    # A stand-in for a torchvision that imports normally.
    script = """
import sys, types
package, models = types.ModuleType("torchvision"), types.ModuleType("torchvision.models")
package.__path__, package.models = [], models
sys.modules.update({"torchvision": package, "torchvision.models": models})
from stats_tl.train.networks import torchvision_ops
print(torchvision_ops.models is models, torchvision_ops._library)
"""
    assert run(script).split() == ["True", "None"]
