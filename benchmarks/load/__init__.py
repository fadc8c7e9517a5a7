"""What `make load` runs: what a call costs as there is more of everything."""
