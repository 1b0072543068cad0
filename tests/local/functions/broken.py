"""A module that can't be imported."""

import a_module_that_is_nowhere  # noqa: F401
