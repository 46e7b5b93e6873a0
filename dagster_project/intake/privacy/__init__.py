"""What leaves a DICOM file, with a report for each batch, and a search for identities in all written files."""
