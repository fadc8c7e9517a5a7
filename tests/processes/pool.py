"""
A program with a pool of processes: ``python -m tests.processes.pool spawn|fork [warm]``.

A program of its own, because the tests have threads, and Python 3.12 warns, rightly, of a
fork then. Prints the fingerprint of each process's token.
"""

import multiprocessing
import os
import sys
from multiprocessing.synchronize import Barrier

import setle

barrier: Barrier


def fingerprint(_: object) -> tuple[int, str]:
    """Return this process's id and the fingerprint of its token."""
    source = setle.TokenSource()
    barrier.wait(30)
    return os.getpid(), source.get_token().fingerprint


def _take(shared: Barrier) -> None:
    global barrier  # noqa: PLW0603  the way to hand a barrier to the processes of a pool
    barrier = shared


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    if "warm" in sys.argv:
        setle.TokenSource().get_token()
    with context.Pool(4, _take, [context.Barrier(4)]) as pool:
        for pid, token in pool.map(fingerprint, range(4), chunksize=1):
            print(pid, token)
        pool.close()
        pool.join()
