"""The files in the folder of an encoder that was trained here."""

WEIGHTS, CARD = "weights.safetensors", "card.json"
