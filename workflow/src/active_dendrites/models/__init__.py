"""Layers, networks, contexts and clustering."""
