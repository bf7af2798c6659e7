"""The compiled inner loops of the sparse learner."""
