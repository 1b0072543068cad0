"""The pytest plugin: the helpers of `lambda_guard.testing` as fixtures."""
