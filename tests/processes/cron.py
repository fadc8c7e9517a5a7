"""A job that cron starts each minute: one API call."""

import setle

with setle.connect() as client:
    client.get_httpx_client().get("/v1/estate/list").raise_for_status()
