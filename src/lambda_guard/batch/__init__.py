"""Batches record by record: `loop` gives each its turn, `source` knows the event sources, `report` what to tell."""
