"""Learning by whole tensors, on any device."""
