"""The version of the distribution, which its build reads from here."""

__version__ = "0.1.0"
