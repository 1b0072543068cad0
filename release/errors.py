"""Why there is no release."""


class ReleaseError(Exception):
    """A release that can't be made; nothing has changed.

    Attributes:
        reasons: each says what is wrong and what to do.
    """

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = reasons
