"""The token endpoint: how it is asked, and what its answers mean."""
