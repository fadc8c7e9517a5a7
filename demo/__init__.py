"""See it work: real calls through roll-overs, a blip and a revocation."""
