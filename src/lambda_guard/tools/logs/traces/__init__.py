"""From invocation records to the tree of a trace."""
