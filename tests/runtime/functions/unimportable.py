"""A function whose module can't be imported."""

import lambda_guard.production.nowhere  # noqa: F401 - there is no such module
