"""A run's folder, files, record and lock."""
