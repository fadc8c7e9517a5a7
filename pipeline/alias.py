"""
Give a name on the wire another name in Python than the generator would.

The generator derives the one from the other. An alias is the Python name with
the name on the wire behind it, in signs (a mark, and a Braille pattern for each
byte): these are no part of an identifier, so the generator leaves them out of
it, and writes them into the string beside it, where :func:`reveal` puts the
real name back.
"""

import re

__all__ = ["alias", "reveal", "wire_name"]

_BASE, _MARK = 0x2800, "\ufffc"
_ALIAS = re.compile(f'"[^"\n{_MARK}]*{_MARK}([\u2800-\u28ff]*)"')
_HIDDEN = re.compile(f"{_MARK}[\u2800-\u28ff]*")


def alias(python: str, wire: str) -> str:
    """Return what to call *wire* in a description so that Python calls it *python*."""
    return python + _MARK + "".join(chr(_BASE + byte) for byte in wire.encode())


def wire_name(name: str) -> str:
    """Return the name on the wire of *name*, which may be an alias."""
    _, mark, hidden = name.partition(_MARK)
    return _decoded(hidden) if mark else name


def reveal(code: str) -> str:
    """Return the generated *code* with the names on the wire in place of aliases."""
    if _MARK not in code:
        return code
    code = _ALIAS.sub(lambda match: f'"{_escaped(_decoded(match[1]))}"', code)
    return _HIDDEN.sub("", code)


def _decoded(hidden: str) -> str:
    return bytes(ord(character) - _BASE for character in hidden).decode()


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
