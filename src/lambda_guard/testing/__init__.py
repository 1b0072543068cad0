"""For the tests of functions: contexts, events, and what an invocation emitted, as objects."""
