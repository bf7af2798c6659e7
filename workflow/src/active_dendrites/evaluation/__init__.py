"""Metrics of continual learning, and tables of them."""
