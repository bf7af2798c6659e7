"""The settings of a run, and the YAML files that declare them."""
