"""Learning on a CPU by what is not zero."""
