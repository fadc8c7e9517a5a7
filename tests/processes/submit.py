"""
Give tasks to workers of Celery: ``python -m tests.processes.submit NAME COUNT [ARGUMENT]``.

Prints what each of them returned.
"""

import os
import sys

import celery  # type: ignore[import-untyped] # it has no types

if __name__ == "__main__":
    name, count, *arguments = sys.argv[1:]
    app = celery.Celery("submit", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
    tasks = [app.send_task(name, [int(each) for each in arguments]) for _ in range(int(count))]
    for task in tasks:
        print("returned", task.get(timeout=120))
