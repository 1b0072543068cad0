"""From lines to invocations: sources, the meaning of a line, and the grouping."""
