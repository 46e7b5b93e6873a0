"""From DICOM files to a training set."""
