"""Ingestion: from a source of files to pseudonymised tables and packed images."""
