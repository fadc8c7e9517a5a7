"""What stays in its process: pickled, it would write a secret down, or lack its connections."""

from typing import ClassVar, NoReturn, Self


class Unpickled:
    """Base of what is never pickled, and is its own copy."""

    __slots__ = ()
    _INSTEAD: ClassVar[str]  # what to do in place of pickling it

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} objects are not pickled; {self._INSTEAD}")
