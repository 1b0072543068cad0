"""Mutation testing: does a test notice when a promise is broken? Run by `make mutants`.

mutmut breaks the code, one small change at a time; a sample of these mutants, drawn by a fixed seed, is run against
the tests that execute the changed lines. A mutant that no test notices survives: `survivors.toml` says of each why.
"""
