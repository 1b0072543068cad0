"""What goes wrong while a layer is built."""

from lambda_guard.errors import LambdaGuardError


class LayerError(LambdaGuardError):
    """The layer can't be built; nothing was written."""
