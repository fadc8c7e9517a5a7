"""Find the Python name of what goes by another on the wire."""

import re
from collections.abc import Iterable

__all__ = ["attribute"]

# What the generator, or a rule, puts behind a name that is taken.
_SUFFIX = re.compile(r"(value|path|query|header|cookie|\d+)?")


def attribute(wire: str, names: Iterable[str], where: str = "") -> str | None:
    """
    Return which of *names* is *wire* in Python, or None.

    It has the same letters and digits, in whatever case and with whatever signs
    between them; a name that is taken may have a suffix.
    """
    names = list(names)
    for wanted in (_snake(wire), wire):
        for name in (wanted, f"{wanted}_", f"{wanted}_{where}"):
            if name in names:
                return name
    alike = [name for name in names if _signless(name) == _signless(wire)]
    if len(alike) == 1:
        return alike[0]
    bare = _bare(wire)
    found = [name for name in names if _bare(name.removeprefix("field_")) == bare]
    if not found:
        found = [
            name
            for name in names
            if (own := _bare(name.removeprefix("field_"))).startswith(bare)
            and _SUFFIX.fullmatch(own[len(bare) :])
        ]
    return found[0] if len(found) == 1 else None


def _snake(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip(
        "_"
    )


def _bare(name: str) -> str:
    return _signless(name.lower())


def _signless(name: str) -> str:
    return "".join(character for character in name if character.isalnum())
