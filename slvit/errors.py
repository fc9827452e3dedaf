"""What can go wrong with what a visitor brings: each error carries one sentence that a visitor understands."""


class PhotoError(ValueError):
    """A photo that cannot be opened or answered."""


class ExpressionError(ValueError):
    """An expression in which there is nothing to look for."""


class CheckpointError(ValueError):
    """A checkpoint folder that does not hold a whole, safe SLViT model."""


class BusyError(RuntimeError):
    """Too many visitors at once, or no GPU to lend; the sentence says when to come back."""


class FaultError(RuntimeError):
    """Something went wrong that is not the visitor's doing."""
