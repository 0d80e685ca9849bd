"""What ends an order without success."""


class Refused(Exception):  # noqa: N818 - a verdict; the message is the reason's code
    """The order cannot go on without a person; the text is the stable reason."""
