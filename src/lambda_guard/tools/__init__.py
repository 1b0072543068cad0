"""The desk: commands for the people who operate the functions. Never imported by a function."""
