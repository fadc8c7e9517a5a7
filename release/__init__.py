"""What a release is made with: `make release`, `make licenses` and the look at a wheel."""
