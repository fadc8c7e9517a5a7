"""
The two clocks that a token's life is measured by.

They are looked up here at every use, so that a test can stop, step or suspend them.
Deadlines of waiting threads and tasks are real time and do not come from here.
"""

from time import monotonic
from time import time as wall

__all__ = ["monotonic", "wall"]
