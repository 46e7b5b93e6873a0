"""What the ensemble leans on besides the anatomy."""
