"""The mutants of a module: where they are, and how they read."""

import ast
import re
from collections import Counter
from os.path import commonprefix
from pathlib import Path

import attrs
import libcst
from libcst.metadata import MetadataWrapper, PositionProvider

from tests.mutants.operators import is_silent, mutations, name_of

CORE = Path("wrapper", "setle")


@attrs.frozen
class Mutant:
    """One change of one module."""

    path: str
    function: str
    first: int  # lines that are run with the change: a statement, or the function or class around
    last: int
    constant: str  # the name that a module gives a value; first and last say nothing then
    before: str
    after: str
    start: int  # characters from the beginning of the module
    end: int
    text: str  # what stands there instead
    number: int = 0  # of those that read the same in that function

    @property
    def key(self) -> str:
        """What tells it from others, whatever line it is in."""
        again = f" #{self.number}" if self.number else ""
        return f"{self.place}: {self.before} => {self.after}{again}"

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.path} {self.function}"

    @property
    def stem(self) -> str:
        """What the module's own tests are named after."""
        return Path(self.path).stem.lstrip("_")

    @property
    def is_message(self) -> bool:
        """Whether a text of several words is in the lines that it changes."""
        return bool(re.search(r"""(["'])[^"']* [^"']*\1""", self.before))

    def source(self, original: str) -> str:
        """Return the module with the change."""
        return original[: self.start] + self.text + original[self.end :]


def modules() -> list[Path]:
    """Return the modules of the core: the package without what is beside it."""
    return [
        path
        for path in sorted(CORE.rglob("*.py"))
        if path.relative_to(CORE).parts[0] not in {"cli", "testing", "__main__.py", "_version.py"}
    ]


def changes_of(path: Path) -> list[Mutant]:
    """Return all changes of the module at *path*."""
    source = path.read_text()
    wrapper = MetadataWrapper(libcst.parse_module(source), unsafe_skip_copy=True)
    collected = _Collector(str(path), source, wrapper.module)
    wrapper.visit(collected)
    return collected.mutants


def mutants_of(path: Path) -> list[Mutant]:
    """Return all changes of the module at *path* that can be compiled, each once."""
    source = path.read_text()
    seen, kept, keys = {ast.dump(ast.parse(source))}, list[Mutant](), Counter[str]()
    for mutant in changes_of(path):
        try:
            tree = ast.dump(ast.parse(mutant.source(source)))
        except SyntaxError:
            continue
        if tree not in seen:
            seen.add(tree)
            kept.append(attrs.evolve(mutant, number=keys[mutant.key]))
            keys[mutant.key] += 1
    return kept


class _Collector(libcst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: str, source: str, module: libcst.Module) -> None:
        super().__init__()
        self.mutants: list[Mutant] = []
        self._path, self._source, self._module = path, source, module
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._names: list[str] = []
        self._functions = 0
        self._constant = ""
        self._statements = [(1, len(self._lines))]

    def on_visit(self, node: libcst.CSTNode) -> bool:
        if is_silent(node):
            return False
        if isinstance(node, libcst.BaseSmallStatement | libcst.BaseCompoundStatement):
            first, last = self._extent(node)
            if (
                self._names and not self._functions
            ):  # what is run once, with its class, says nothing
                first, last = self._statements[-1]
            if isinstance(node, libcst.FunctionDef):  # nor does a head
                first, last = self._extent(node.body)
            elif isinstance(node, libcst.BaseCompoundStatement) and self._functions:
                last = max(first, self._extent(node.body)[0] - 1)
            self._statements.append((first, last))
        if isinstance(node, libcst.FunctionDef | libcst.ClassDef):
            self._names.append(node.name.value)
            self._functions += isinstance(node, libcst.FunctionDef)
        if isinstance(node, libcst.Assign | libcst.AnnAssign) and not self._names:
            named = node.target if isinstance(node, libcst.AnnAssign) else node.targets[0].target
            self._constant = name_of(named)
        for target, mutated in mutations(node):
            self._add(target, mutated)
        return True

    def on_leave(self, node: libcst.CSTNode) -> None:
        if is_silent(node):
            return
        if isinstance(node, libcst.FunctionDef | libcst.ClassDef):
            self._names.pop()
            self._functions -= isinstance(node, libcst.FunctionDef)
        if isinstance(node, libcst.BaseSmallStatement | libcst.BaseCompoundStatement):
            self._statements.pop()
            self._constant = ""

    def _extent(self, node: libcst.CSTNode) -> tuple[int, int]:
        where = self.get_metadata(PositionProvider, node)
        return where.start.line, where.end.line

    def _add(self, node: libcst.CSTNode, mutated: libcst.CSTNode | None) -> None:
        where = self.get_metadata(PositionProvider, node)
        first, last = where.start.line - 1, where.end.line
        start = self._starts[first] + where.start.column
        end = self._starts[last - 1] + where.end.column
        # Some nodes come with white space or brackets that their place does not count.
        left, found, right = self._module.code_for_node(node).partition(self._source[start:end])
        text = self._module.code_for_node(mutated) if mutated else ""
        text = text.removeprefix(left).removesuffix(right)
        if not found:  # on its own, what has several lines is indented less than in its place
            start, end, text = self._replaced(node, mutated)
        first = self._source.count("\n", 0, start)
        last = self._source.count("\n", 0, end) + 1
        before, offset = self._source[self._starts[first] : self._starts[last]], self._starts[first]
        after = before[: start - offset] + text + before[end - offset :]
        self.mutants.append(
            Mutant(
                path=self._path,
                function=".".join(self._names),
                first=self._statements[-1][0],
                last=self._statements[-1][1],
                constant=self._constant,
                before=" ".join(before.split()),
                after=" ".join(after.split()),
                start=start,
                end=end,
                text=text,
            )
        )

    def _replaced(
        self, node: libcst.CSTNode, mutated: libcst.CSTNode | None
    ) -> tuple[int, int, str]:
        """Return where the module differs with *mutated* in the place of *node*, and its text."""
        changed = self._module.deep_replace(node, mutated or libcst.Pass())
        old, new = self._source, libcst.ensure_type(changed, libcst.Module).code
        start = len(commonprefix([old, new]))  # noqa: RUF071 - these are no paths
        ends = [text[: start - 1 : -1] for text in (old, new)]
        same = len(commonprefix(ends))  # noqa: RUF071 - nor are these
        return start, len(old) - same, new[start : len(new) - same]
