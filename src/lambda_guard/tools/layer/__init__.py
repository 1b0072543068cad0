"""The Lambda layer: built on one machine for every runtime, and what it holds."""
