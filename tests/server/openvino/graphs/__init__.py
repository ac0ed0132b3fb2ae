"""Small graphs, one or more for each family of operations, that hold what OpenVINO may be given."""

from tests.server.openvino.graphs import elementwise, flow, indices, layers, ordering, shapes

CASES = {case.name: case for part in (elementwise, indices, ordering, shapes, layers, flow) for case in part.cases()}
