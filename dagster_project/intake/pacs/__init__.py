"""Images from a PACS: asked for by DICOMweb or DIMSE, or received; whole batches go to the inbox."""
