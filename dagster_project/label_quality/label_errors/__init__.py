"""Label errors: which labels are probably wrong, judged only by models that never saw them."""
