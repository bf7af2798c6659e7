"""Style and drawing of the figures."""
