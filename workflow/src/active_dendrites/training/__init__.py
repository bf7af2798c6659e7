"""The continual-learning loop, its state, interruptions, checkpoints and devices."""
