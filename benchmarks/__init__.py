"""What `make demo` and `make bench` run; not shipped."""
