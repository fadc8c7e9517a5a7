"""
What is changed: mutmut's operators, and four that it lacks.

mutmut itself leaves out what is decorated, and so every change of state that takes the mutex, and
what stands outside of functions. Its operators know nothing of that.
"""

from collections.abc import Iterator

import libcst
from mutmut.mutation.mutators import mutation_operators

# What nobody runs: annotations and what else is for type checkers, and imports.
SILENT = (libcst.Annotation, libcst.Import, libcst.ImportFrom)
TYPES = {"ParamSpec", "TypeVar", "cast"}
# Without them nothing works at all, or they are how a function is found.
LASTING = {"classmethod", "contextmanager", "property", "staticmethod"}


def is_silent(node: libcst.CSTNode) -> bool:
    """Tell whether *node*, and what it holds, says nothing when the code runs."""
    if isinstance(node, SILENT):
        return True
    if isinstance(node, libcst.If):
        return name_of(node.test) == "TYPE_CHECKING"
    if isinstance(node, libcst.AnnAssign):
        return name_of(node.annotation.annotation) == "TypeAlias"
    if isinstance(node, libcst.Assign):
        slots = name_of(node.targets[0].target) == "__slots__"  # which save memory
        return slots or (isinstance(node.value, libcst.Call) and name_of(node.value) in TYPES)
    return False


def mutations(node: libcst.CSTNode) -> Iterator[tuple[libcst.CSTNode, libcst.CSTNode | None]]:
    """Yield what to change about *node*, and what into."""
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            mutated = list(operator(node))
            # One change of a text does for all of them. An argument without a name that goes only
            # leaves one too few, None is as false as False, and what isinstance and len are called
            # with is left alone by mutmut, too, as they would raise.
            if operator.__name__ == "operator_string":
                del mutated[1:]
            if isinstance(node, libcst.Call) and name_of(node) in {"isinstance", "len"}:
                mutated.clear()
            if operator.__name__ == "operator_arg_removal" and isinstance(node, libcst.Call):
                mutated = [one for one in mutated if _says_something(node, one)]
            yield from ((node, changed) for changed in mutated)
    if isinstance(node, libcst.Expr) and isinstance(node.value, libcst.Call | libcst.Await):
        yield node, libcst.Pass()
    if isinstance(node, libcst.Return) and not _is_constant(node.value):
        yield node, node.with_changes(value=libcst.Name("None"))
    if isinstance(node, libcst.If | libcst.While | libcst.CompIf):
        for part in _parts(node.test):
            yield part, libcst.UnaryOperation(libcst.Not(), part)
    if isinstance(node, libcst.Decorator) and name_of(node.decorator) not in LASTING:
        yield node, None


def _says_something(call: libcst.Call, mutated: libcst.CSTNode) -> bool:
    """Tell whether no argument without a name is gone, nor a false one become None."""
    changed = libcst.ensure_type(mutated, libcst.Call).args
    if len(changed) < len(call.args):
        left = sum(argument.keyword is None for argument in changed)
        return left == sum(argument.keyword is None for argument in call.args)
    pairs = zip(call.args, changed, strict=True)
    return not any(old is not new and name_of(old.value) == "False" for old, new in pairs)


def _is_constant(value: libcst.BaseExpression | None) -> bool:
    return value is None or name_of(value) in {"True", "False", "None"}


def _parts(test: libcst.BaseExpression) -> Iterator[libcst.BaseExpression]:
    """Yield the parts of a condition that no operator of mutmut's turns round."""
    if isinstance(test, libcst.BooleanOperation):
        yield from _parts(test.left)
        yield from _parts(test.right)
    elif not isinstance(test, libcst.Comparison | libcst.UnaryOperation):
        yield test


def name_of(node: libcst.CSTNode) -> str:
    """Return the name that *node* is, or calls; none if it is something else."""
    if isinstance(node, libcst.Call):
        return name_of(node.func)
    return node.value if isinstance(node, libcst.Name) else ""
