"""Label errors, their causes, review and corrections."""
