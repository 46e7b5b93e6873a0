"""Burned-in text, borders and markers removed."""
