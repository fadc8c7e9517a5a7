"""Python client for the Setle API."""
