"""srgrid: a reproducible super-resolution benchmark."""

__version__ = "0.1.0"
