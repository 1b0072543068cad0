"""Failures as values: exceptions as fields, fingerprints, stack frames, attempts."""
