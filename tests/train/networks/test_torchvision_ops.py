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


def test_the_compiler_is_imported_by_neither_networks_nor_heads():
    script = """
import sys, torch
from stats_tl.study.plan import Head
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.heads import build_head
from stats_tl.train.networks.survey import survey_backbone
for name in ("squeezenet1_1", "resnet18", "densenet121", "inception_v3", "mobilenet_v2"):
    build_backbone(name)
survey_backbone("squeezenet1_1", 64)
build_head(Head(name="h", kind="nonlinear"), 32, seed=0)(torch.zeros(2, 32)).sum().backward()
print("torch._dynamo" in sys.modules, "sympy" in sys.modules)
import torchvision
print(torchvision.ops.roi_align.__module__, "torch._dynamo.utils" in sys.modules)
import torch._dynamo.utils
print(torchvision.ops.roi_align.__globals__["is_compile_supported"]("cpu")
      == torch._dynamo.utils.is_compile_supported("cpu"))
"""
    assert run(script).split() == ["False", "False", "torchvision.ops.roi_align", "False", "True"]


def test_a_torchvision_that_wants_more_of_the_compiler_is_imported_as_it_is():
    script = """
import sys, types, importlib.abc, importlib.machinery
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name in ("torchvision", "torchvision.models", "torch._dynamo.utils"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def exec_module(self, module):
        if module.__name__ == "torch._dynamo.utils":
            module.same, module.is_compile_supported = "real", None
        if module.__name__ == "torchvision.models":
            from torch._dynamo.utils import same
            module.what = same
import torch
sys.meta_path.insert(0, Finder())
parent = types.ModuleType("torch._dynamo")
parent.__path__ = []
sys.modules["torch._dynamo"] = parent
from stats_tl.train.networks.torchvision_ops import models
print(models.what)
"""
    assert run(script) == "real"
