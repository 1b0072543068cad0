"""Invocation records for other systems: `commands` is the command, `spans` what becomes of a record."""
