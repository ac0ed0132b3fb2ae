"""Tables of words and numbers, filled by the graph itself with what the loaded model has in them."""

from typing import Any

from serving.optimizing.child.modules import RefusedError, TensorFlow

FILL_TABLES = "serving/fill_tables"
"""The operation that whoever opens the graph runs first, if the graph has it."""

_TABLE = "HashTableV2"
_FILL = "LookupTableImportV2"


def filling(tf: TensorFlow, session: Any, graph: Any) -> Any:
    """A GraphDef of nodes that fill the tables of a GraphDef with what the session has in them: none without tables.

    Thus files of words, and whatever else fills tables, are not needed any more.
    """
    nodes = tf.graph_pb2.GraphDef()
    for number, node in enumerate(each for each in graph.node if each.op == _TABLE):
        types = {"Tin": node.attr["key_dtype"], "Tout": node.attr["value_dtype"]}
        exported = session.graph.create_op(
            "LookupTableExportV2",
            [session.graph.get_operation_by_name(node.name).outputs[0]],
            [types["Tin"].type, types["Tout"].type],
            attrs={"Tkeys": types["Tin"], "Tvalues": types["Tout"]},
        )
        fill = nodes.node.add(name=f"{FILL_TABLES}/{number}", op=_FILL, input=[node.name])
        for kind, array in zip(types, session.run(exported.outputs), strict=True):
            constant = nodes.node.add(name=f"{fill.name}/{kind}", op="Const")
            constant.attr["dtype"].type = types[kind].type
            constant.attr["value"].tensor.CopyFrom(tf.tensor_util.make_tensor_proto(array, types[kind].type))
            fill.input.append(constant.name)
            fill.attr[kind].CopyFrom(types[kind])
    return nodes


def needed(tf: TensorFlow, graph: Any, fills: Any) -> Any:
    """Of ``fills`` the nodes for the tables that a GraphDef still has, and ``FILL_TABLES`` if there are any.

    Raises RefusedError for a table that nothing fills.
    """
    tables = {node.name for node in graph.node if node.op == _TABLE}
    filling_them = [node for node in fills.node if node.op == _FILL and node.input[0] in tables]
    names = {name for node in filling_them for name in (node.name, *node.input)}
    nodes = tf.graph_pb2.GraphDef(node=[node for node in fills.node if node.name in names])
    check_tables(graph, nodes)
    if filling_them:
        nodes.node.add(name=FILL_TABLES, op="NoOp", input=[f"^{node.name}" for node in filling_them])
    return nodes


def check_tables(graph: Any, fills: Any) -> None:
    """Each table must be one that ``fills`` fill, under the name by which they do, and the reverse. RefusedError."""
    filled = {node.input[0] for node in fills.node if node.op == _FILL}
    found = {node.name for node in graph.node if node.op == _TABLE}
    if filled != found:
        raise RefusedError(f"the table {min(filled ^ found)} cannot be filled")
