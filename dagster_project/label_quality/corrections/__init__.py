"""Corrections as DICOM objects, and their way back into the archive."""
