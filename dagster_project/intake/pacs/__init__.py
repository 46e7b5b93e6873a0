"""Images from a PACS, fetched over DICOMweb or DIMSE, or received; complete batches go to the inbox."""
