"""How a network learns a task: the interface, and what its implementations share."""
