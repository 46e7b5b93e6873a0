"""A synthetic hospital: three-dimensional bones, radiographs projected from them, a DICOM export with known errors."""
