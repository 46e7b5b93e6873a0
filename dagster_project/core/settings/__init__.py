"""All settings of params.yaml, typed."""
