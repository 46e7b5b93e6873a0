"""What leaves a DICOM file and what does not, proved for each batch; a search for identities in what was written."""
