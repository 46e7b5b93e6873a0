"""Remove burned-in text, borders and markers."""
