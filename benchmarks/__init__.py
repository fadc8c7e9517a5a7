"""What `make demo`, `make token` and `make bench` run; not shipped."""
