"""Region classes, and the meaning of labels."""
