"""What stays in its process: pickled, it would write a secret down, or lack its connections."""

from typing import ClassVar, NoReturn, Self


class Unpickled:
    """
    Base of what is never pickled, and is its own copy.

    Attributes:
        INSTEAD: What to do in place of pickling it, for the message.
    """

    __slots__ = ()
    INSTEAD: ClassVar[str]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} objects are not pickled; {self.INSTEAD}")
