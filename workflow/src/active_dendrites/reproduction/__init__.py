"""Verdicts on published numbers, and the reference of measured runs."""
