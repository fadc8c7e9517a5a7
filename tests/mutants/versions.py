"""What the outcome of a mutant holds for: its function, and not the whole module, as it is."""

import ast
import hashlib
from functools import lru_cache
from typing import Any

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
NAMED = FUNCTIONS | ast.ClassDef


@lru_cache(maxsize=1024)
def version_of(source: str, function: str) -> str:
    """
    Return what changes when the code of *function* in *source* does, and not with its docstring.

    Of a class or of the module, the functions in it do not count.
    """
    node: Any = ast.parse(source)
    for name in filter(None, function.split(".")):
        node = next(one for one in ast.walk(node) if isinstance(one, NAMED) and one.name == name)
    body = node.body[ast.get_docstring(node) is not None :]
    if not isinstance(node, FUNCTIONS):
        body = [one for one in body if not isinstance(one, NAMED)]
    head = [getattr(node, name, []) for name in ("decorator_list", "args", "bases")]
    return hashlib.sha256("\n".join(map(ast.unparse, [*head, *body])).encode()).hexdigest()[:16]
