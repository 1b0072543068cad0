"""Which AWS calls a function's code has: its source is parsed, and never imported."""
