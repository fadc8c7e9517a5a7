"""The jobs as tasks of Celery, in workers that are forked from a process that has called."""

import os

import celery  # type: ignore[import-untyped] # it has no types

from tests.processes import jobs

app = celery.Celery("tasks", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.broker_connection_retry_on_startup = True
app.task(name="job")(jobs.job)
app.task(name="crossed")(jobs.crossed)
jobs.warm_up()
