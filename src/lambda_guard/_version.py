"""The version: the one place that names it, which the build reads, too."""

__version__ = "0.1.0"
