"""Writes into a template what the checklist misses in it."""
