"""Review: what people look at, what they say, what goes back."""
