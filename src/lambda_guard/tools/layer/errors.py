"""What goes wrong while a layer is built or published."""

from lambda_guard.errors import LambdaGuardError


class LayerError(LambdaGuardError):
    """The layer can't be built, or isn't one that can be published; nothing was written, and nothing sent."""


class LayerOptionError(LayerError):
    """A name, Region, role or account can't be used as it was given."""

    exit_code = 2
