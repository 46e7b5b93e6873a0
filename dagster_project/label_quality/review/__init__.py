"""Review: the worklist, the answers of the reviewers, and what these are worth."""
