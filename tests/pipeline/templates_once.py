"""
Imported by what generators are forked from: a template that one of them compiles serves all.

To compile them is four fifths of a small generation.
"""

from tempfile import TemporaryDirectory

from jinja2 import Environment, FileSystemBytecodeCache

_folder = TemporaryDirectory()
_cache = FileSystemBytecodeCache(_folder.name)
# Each generation makes an environment of its own, with no cache.
Environment.bytecode_cache = property(lambda environment: _cache, lambda environment, none: None)  # type: ignore[assignment] # in place of an attribute
