"""The page: traces and invocations as one HTML file that needs nothing else."""
