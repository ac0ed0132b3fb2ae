"""A second engine behind the servable protocol: what of a model's graph OpenVINO may compute, and what computes it."""
