"""How many patients the tests' synthetic hospital has: enough to learn its regions a little."""

PATIENTS = 75
