"""Ingestion: from source files to pseudonymised tables and packed images."""
