"""Functions in the real runtime client, each environment a process of its own."""
