"""RayTruth: which region each radiograph shows, and which of the labels are wrong."""
