"""Failures as values: exceptions in words, fingerprints, stack frames, attempts."""
