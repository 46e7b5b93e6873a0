"""The skeleton's bones, one file per part of the body.

Every bone is described once, for an adult's right side, in millimetres, in its own frame: x towards the patient's left
(medial on a right limb), y posterior, z superior (DICOM's patient axes), limbs hanging down. Lengths and breadths
follow adult means from osteometry (White & Folkens, The Human Bone Manual; Gray's Anatomy), rounded.
"""
