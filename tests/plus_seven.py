"""An operation of our own, y = x + 7: its source, its library and a model that uses it. No tests."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from serving.protos import message

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


def compile_library(directory: Path) -> Path:
    """Compile plus_seven.so into ``directory``; skips the test where that is not possible, in CI it fails."""
    compiler = shutil.which("g++")
    if compiler is None:
        _unavailable("g++ is not installed")
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    tensorflow = Path(spec.submodule_search_locations[0])
    if not (tensorflow / "include" / "tensorflow" / "core" / "framework" / "op.h").exists():
        _unavailable("TensorFlow's headers are not installed")
    library = directory / "plus_seven.so"
    source = directory / "plus_seven.cc"
    source.write_text(SOURCE)
    command = [str(compiler), "-std=c++17", "-w", "-shared", "-fPIC", f"-I{tensorflow / 'include'}", f"-L{tensorflow}"]
    command += [str(source), "-o", str(library), "-l:libtensorflow_framework.so.2"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def _unavailable(why: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def write_model(directory: Path) -> None:
    """Write a SavedModel of the operation alone, from x to y, into ``directory``, which is made."""
    saved_model = message("tensorflow.SavedModel")(saved_model_schema_version=1)
    meta_graph = saved_model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    placeholder = meta_graph.graph_def.node.add(name="x", op="Placeholder")
    placeholder.attr["dtype"].type = 1
    placeholder.attr["shape"].shape.unknown_rank = True
    meta_graph.graph_def.node.add(name="y", op="PlusSeven", input=["x"])
    signature = meta_graph.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for alias, infos in (("x", signature.inputs), ("y", signature.outputs)):
        infos[alias].name, infos[alias].dtype = f"{alias}:0", 1
        infos[alias].tensor_shape.unknown_rank = True
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "saved_model.pb").write_bytes(saved_model.SerializeToString())
