"""Trace headers: read (`header`), found in events (`extract`), sent on with AWS calls (`inject`)."""
