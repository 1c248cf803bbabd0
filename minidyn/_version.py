"""The version of the package, for those of its modules that write it down."""

__version__ = "0.2.0"
