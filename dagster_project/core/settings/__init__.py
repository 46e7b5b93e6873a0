"""Every setting of params.yaml, typed."""
