"""Label errors: which labels are probably wrong, by models that never saw them (out-of-fold models)."""
