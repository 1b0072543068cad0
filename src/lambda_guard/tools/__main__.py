"""`python -m lambda_guard.tools` is `lambda-guard`, for where scripts are not on the path."""

from lambda_guard.tools.cli import main

main()
