"""What leaves a DICOM file and what does not, proved for each batch; and a search for identities in what was written."""
