"""The error of reading a template."""

from lambda_guard.errors import LambdaGuardError


class TemplateError(LambdaGuardError, ValueError):
    """The template can't be read, or declares something impossible.

    The message names the file and the resource.
    """

    exit_code = 2
