// An operation with its kernel for CPUs: y = x + 7, for floats of any shape.
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
