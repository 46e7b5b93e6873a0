"""From a training set to a calibrated ensemble."""
