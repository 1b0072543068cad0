"""The checks, by what they look at; each yields what it found, and what it can't know."""
