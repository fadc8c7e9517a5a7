"""
Give tasks to workers of Celery: ``python -m tests.processes.submit NAME COUNT [ARGUMENT]``.

Prints what each of them returned.
"""

import os
import sys

import celery  # type: ignore[import-untyped] # it has no types


def main() -> None:
    """Submit and wait; what stands for a result gives notice when it goes, so none is global."""
    name, count, *arguments = sys.argv[1:]
    app = celery.Celery("submit", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
    tasks = [app.send_task(name, [int(each) for each in arguments]) for _ in range(int(count))]
    for task in tasks:
        print("returned", task.get(timeout=120))


if __name__ == "__main__":
    main()
