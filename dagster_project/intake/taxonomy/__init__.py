"""Region classes: what a label means."""
