"""What lambda_guard costs, measured: `make bench`."""
