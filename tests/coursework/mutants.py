"""Mutants of the masters' answers: each is one small change that a careless hand could make.

The operators work on the syntax tree. `mutants` gives the changed sources; whether a check sees the change is for the
tests to say.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

ARITHMETIC = {
    ast.Add: [ast.Sub, ast.Mult], ast.Sub: [ast.Add], ast.Mult: [ast.Div, ast.Add], ast.Div: [ast.Mult],
    ast.Pow: [ast.Mult], ast.FloorDiv: [ast.Div], ast.Mod: [ast.FloorDiv], ast.MatMult: [ast.Mult],
    ast.RShift: [ast.LShift], ast.BitAnd: [ast.BitOr],
}  # fmt: skip
COMPARISONS = {ast.Lt: [ast.LtE, ast.Gt], ast.Gt: [ast.GtE, ast.Lt], ast.LtE: [ast.Lt], ast.GtE: [ast.Gt]}
NAMES = {
    "argmin": "argmax", "max": "min", "maximum": "minimum", "sum": "mean", "mean": "sum", "cos": "sin", "sin": "cos",
    "zeros": "ones", "ones": "zeros", "exp": "expm1", "log": "log2", "round": "int", "eigvalsh": "eigvals",
    "bit_length": "bit_count", "norm": "cond", "stack": "concatenate",
}  # fmt: skip
EINSUM = {
    "pck,qdk->pcqd": ["pck,qdk->qcpd", "pck,qdk->pdqc", "pck,pdk->pcd"],
    "pcqd,qd->pc": ["pcqd,pd->qc", "pcqd,pc->qd"],
}


def mutants(source: str) -> Iterator[str]:
    """All sources that differ from this one by one change; each once."""
    seen = {ast.unparse(ast.parse(source))}
    for position, node in enumerate(ast.walk(ast.parse(source))):
        for number, _ in enumerate(changes(node)):
            tree = ast.parse(source)
            target = list(ast.walk(tree))[position]
            changed = changes(target)[number]
            tree = Replace(target, changed()).visit(tree)
            text = ast.unparse(ast.fix_missing_locations(tree))
            if text not in seen:
                seen.add(text)
                yield text


class Replace(ast.NodeTransformer):
    """Puts one node, or none, in the place of another."""

    def __init__(self, target, new):
        self.target, self.new = target, new

    def visit(self, node):
        return self.new if node is self.target else self.generic_visit(node)


def changes(node):
    """What may become of a node: functions that give the new node."""
    for kind, rule in RULES.items():
        if isinstance(node, kind):
            return rule(node)
    return []


def edited(node, **fields):
    """A copy of the node with other fields, made when it is called."""

    def make():
        new = copy.deepcopy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        return new

    return make


def of_operation(node):
    others = [edited(node, op=kind()) for kind in ARITHMETIC.get(type(node.op), [])]
    return [*others, lambda: node.left, lambda: node.right]


def of_comparison(node):
    return [edited(node, ops=[kind()]) for kind in COMPARISONS.get(type(node.ops[0]), [])]


def of_constant(node):
    value = node.value
    if isinstance(value, str):
        return [edited(node, value=other) for other in EINSUM.get(value, [])]
    if value is None or isinstance(value, bool):
        return []
    return [edited(node, value=other) for other in {value + 1, value - 1, 2 * value, 0} - {value}]


def of_attribute(node):
    return (
        [edited(node, attr=NAMES[node.attr])]
        if node.attr in NAMES
        else [edited(node, attr="copy")] * (node.attr == "T")
    )


def of_name(node):
    return [edited(node, id=NAMES[node.id])] if node.id in NAMES else []


def of_call(node):
    dropped = [edited(node, keywords=[k for k in node.keywords if k is not keyword]) for keyword in node.keywords]
    swapped = [edited(node, args=node.args[::-1])] if len(node.args) == 2 else []
    inner = [lambda: node.args[0]] if len(node.args) == 1 else []
    return dropped + swapped + inner


def of_sign(node):
    return [lambda: node.operand]


def of_slice(node):
    bounds = [name for name in ("lower", "upper") if getattr(node, name) is not None]
    return [edited(node, **{name: None}) for name in bounds]


def of_tuple(node):
    if isinstance(node.ctx, ast.Store) or len(node.elts) < 2:
        return []
    return [edited(node, elts=node.elts[::-1])]


def of_statement(node):
    return [ast.Pass] if isinstance(node, ast.AugAssign | ast.Expr) or len(node.targets) == 1 else []


def of_branch(node):
    return [edited(node, test=ast.Constant(True)), edited(node, test=ast.Constant(False))]


RULES = {
    ast.BinOp: of_operation,
    ast.Compare: of_comparison,
    ast.Constant: of_constant,
    ast.Attribute: of_attribute,
    ast.Name: of_name,
    ast.Call: of_call,
    ast.UnaryOp: of_sign,
    ast.Slice: of_slice,
    ast.Tuple: of_tuple,
    ast.Assign | ast.AugAssign: of_statement,
    ast.If: of_branch,
}
