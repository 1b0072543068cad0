"""What the local cloud raises.

LambdaGuardError
└── LocalCloudError      something of the local cloud can't start or is used wrongly
    └── TemplateError    the template can't be read or declares something impossible   (also a ValueError)
"""

from lambda_guard.errors import LambdaGuardError


class LocalCloudError(LambdaGuardError):
    """Something of the local cloud can't start, or is used in a way that it doesn't support."""


class TemplateError(LocalCloudError, ValueError):
    """The template can't be read, or declares something impossible.

    The message names the file and the resource.
    """

    exit_code = 2
