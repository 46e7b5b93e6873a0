"""Corrections as DICOM objects, and how they reach the archive."""
