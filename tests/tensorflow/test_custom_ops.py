"""Libraries of custom operations, compiled here where a compiler and TensorFlow's headers are."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serving.errors import Code, ConfigurationError
from serving.servables.custom_ops import load_custom_ops

ROOT = Path(__file__).parents[2]
SOURCE = """
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"

REGISTER_OP("PlusSeven").Input("x: float").Output("y: float").SetShapeFn(
    [](tensorflow::shape_inference::InferenceContext* c) {
      c->set_output(0, c->input(0));
      return absl::OkStatus();
    });

class PlusSeven : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(tensorflow::OpKernelContext* context) override {
    const tensorflow::Tensor& x = context->input(0);
    tensorflow::Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    for (int i = 0; i < x.NumElements(); ++i) y->flat<float>()(i) = x.flat<float>()(i) + 7;
  }
};
REGISTER_KERNEL_BUILDER(Name("PlusSeven").Device(tensorflow::DEVICE_CPU), PlusSeven);
"""

LOAD_AND_RUN = """
import json, sys
from pathlib import Path
from serving.errors import ServingError
from serving.protos import message
from serving.servables.custom_ops import load_custom_ops
from tests.models import call, floats, loaded

saved_model = message("tensorflow.SavedModel")(saved_model_schema_version=1)
meta_graph = saved_model.meta_graphs.add()
meta_graph.meta_info_def.tags.append("serve")
placeholder = meta_graph.graph_def.node.add(name="x", op="Placeholder")
placeholder.attr["dtype"].type = 1
placeholder.attr["shape"].shape.unknown_rank = True
meta_graph.graph_def.node.add(name="y", op="PlusSeven", input=["x"])
signature = meta_graph.signature_def["serving_default"]
for alias, infos in (("x", signature.inputs), ("y", signature.outputs)):
    infos[alias].name, infos[alias].dtype = f"{alias}:0", 1
path = Path(sys.argv[1])
(path / "saved_model.pb").write_bytes(saved_model.SerializeToString())

def answer():
    try:
        with loaded(path) as servable:
            return call(servable, {"x": floats(1, 2)})["y"].array.tolist()
    except ServingError as error:
        return error.message.split(" in binary")[0]

before = answer()
load_custom_ops([Path(name) for name in sys.argv[2:]])
json.dump([before, answer()], sys.stdout)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared library with the operation PlusSeven."""
    compiler = shutil.which("g++")
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    tensorflow = Path(spec.submodule_search_locations[0])
    if compiler is None:
        pytest.skip("g++ is not installed")
    if not (tensorflow / "include" / "tensorflow" / "core" / "framework" / "op.h").exists():
        pytest.skip("TensorFlow's headers are not installed")
    path = tmp_path_factory.mktemp("custom_ops") / "plus_seven.so"
    source = path.with_suffix(".cc")
    source.write_text(SOURCE)
    command = [compiler, "-std=c++17", "-w", "-shared", "-fPIC", f"-I{tensorflow / 'include'}", f"-L{tensorflow}"]
    command += [str(source), "-o", str(path), "-l:libtensorflow_framework.so.2"]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_models_can_use_the_operations_of_a_library(library: Path, tmp_path: Path) -> None:
    """A graph with a custom operation cannot be loaded before its library, and runs after; loading twice is fine."""
    arguments = [sys.executable, "-c", LOAD_AND_RUN, str(tmp_path), str(library), str(library)]
    result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == ["Op type not registered 'PlusSeven'", [8.0, 9.0]]


def test_missing_library_is_an_error(tmp_path: Path) -> None:
    """A path that leads to no file is named."""
    with pytest.raises(ConfigurationError) as raised:
        load_custom_ops([tmp_path / "absent.so"])
    assert raised.value.code is Code.NOT_FOUND
    assert raised.value.message == f"Custom operations: {tmp_path}/absent.so is not a file"


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file that is no shared library is an error with the loader's reason and what was expected."""
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(ConfigurationError) as raised:
        load_custom_ops([tmp_path / "text.so"])
    assert raised.value.message.startswith(f"Custom operations: {tmp_path}/text.so cannot be loaded: ")
    assert (
        "Expected a shared library of operations and kernels that was built for TensorFlow 2." in raised.value.message
    )
