"""Active dendrites and sparse representations for continual learning: layers, contexts, consolidation, one loop."""

__version__ = "0.2.0"

# The version of the arithmetic. Raise it in the commit that changes any result beyond rounding: finished runs
# carry it, and the workflow retrains those of another version.
NUMERICS = 1
