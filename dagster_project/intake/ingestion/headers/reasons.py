"""Every reason that a file's verdict can have, in one documented list."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["accept", "accept_warn", "quarantine", "skip"]

SKIP = {
    "not_dicom": "not a DICOM file, and not named as one",
    "special_file": "a FIFO, socket or device",
    "dicomdir": "a DICOMDIR index",
    "other_modality": "not a radiograph: another modality",
    "other_sop_class": "not a radiograph: another SOP class, a secondary capture, a report, a document",
    "for_processing": "raw detector data; the same exposure comes FOR PRESENTATION",
    "multi_frame": "several frames",
    "colour": "a colour or palette image",
}
QUARANTINE = {
    "not_dicom_content": "named .dcm, but the content is no DICOM file",
    "empty_file": "zero bytes",
    "unreadable": "the file cannot be opened",
    "link_outside": "a symbolic link that leads out of the source, dangles or loops",
    "changed": "the file changed while the batch was read; ingested again, the batch reads it anew",
    "damaged_header": "the header cannot be parsed, or says neither kind nor format of an image",
    "nested_too_deep": "sequences nested beyond the limit",
    "missing_identifier": "no SOP instance, study or patient identifier",
    "invalid_uid": "a UID with other characters than digits and dots, or over 64 long",
    "meta_mismatch": "file meta information and data set name different instances",
    "inconsistent_bits": "bits allocated, stored and high bit contradict each other",
    "no_size": "rows or columns missing or zero",
    "too_large": "declares or inflates to more than the limits allow",
    "no_pixels": "no pixel data",
    "pixels_short": "less pixel data than the header says",
    "pixels_long": "more pixel data than the header says, beyond padding",
    "syntax_mismatch": "the pixel data are of another transfer syntax than the header says",
    "decoder_error": "the pixel data cannot be decoded",
    "decoder_crashed": "the decoder took its process down",
    "too_slow": "reading took longer than the limit",
    "constant": "every pixel has the same value",
    "uid_conflict": "another file of the batch has the same SOP Instance UID and other content",
}
WARN = {
    "duplicate_file": "the same instance again, byte for byte; used once",
    "same_pixels": "the same pixels as another instance; both stay on one side of the split",
    "no_preamble": "read without a preamble or file meta information",
    "monochrome1": "stored inverted; inverted once",
    "signed": "signed pixels",
    "rescaled": "a rescale slope or intercept other than 1 and 0, or a modality LUT, applied",
    "rescale_ignored": "a rescale or modality LUT is unusable and was left out; another that is usable was applied",
    "voi_ignored": "a VOI LUT or window is unusable, or would blank the image, and was left out; another that is usable"
    " was applied",
    "padding_masked": "pixels that the header declares as padding: black, and left out of the stretch",
    "padding_ignored": "the header declares next to the whole image as padding, which was not heeded",
    "false_length": "a length field is false, of the pixel data, a fragment, the file meta information or a sequence's"
    " item; the whole image is there even so",
    "presentation_conflict": "Presentation LUT Shape INVERSE with MONOCHROME2; shown as MONOCHROME2",
    "pixel_padding": "padding or other bytes after the pixel data",
    "high_bits": "overlays or other data above the stored bits, left out",
    "implicit_vr": "value representations are not written out (Implicit VR)",
    "odd_preamble": "the preamble is not zero, so the file may pass for another kind too",
    "private_tags": "private attributes, which are never read",
    "charset": "an unknown or missing character set, or bytes that do not fit the one declared",
    "odd_text": "control characters, markup or a formula in a text",
    "bad_date": "the study date cannot be read",
    "bad_number": "a decimal written with a comma, or no number at all",
    "missing_label": "no attribute names a region",
    "ambiguous_label": "the label names no single region",
    "unmapped_label": "the label holds no known word",
    "out_of_scope_label": "the label names a region of no class here",
    "retired_label": "the label uses a retired term or code",
    "nonstandard_label": "the region is named in words, not by a code or a defined term",
    "label_conflict": "attributes name different regions",
    "burned_in": "the header says that annotation is burned in",
    "text_masked": "lines of text burned into the image were painted over",
    "text_withheld": "a device text repeated an identity and was withheld",
}
REASONS: dict[str, str] = {**SKIP, **QUARANTINE, **WARN}


def verdict_of(reasons: list[str]) -> Verdict:
    """The verdict that a file's reasons amount to: any quarantine reason, else any skip reason, else warnings."""
    if any(r in QUARANTINE for r in reasons):
        return "quarantine"
    if any(r in SKIP for r in reasons):
        return "skip"
    return "accept_warn" if reasons else "accept"


class RefusedFile(Exception):
    """A file that is not used. Its text is the reason code alone, so that it can go into any log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def page() -> str:
    """The documentation page of all reasons, in Markdown."""
    lines = [
        "# Every reason that a file's verdict can have",
        "",
        "One file gets one verdict; the codes behind it stand in `data/quarantine/<batch>.parquet` and, with the path,",
        "in `data/private/files.parquet`, several joined by `;`.",
    ]
    for title, reasons in (
        ("quarantine: not usable", QUARANTINE),
        ("skip: not a radiograph for this job", SKIP),
        ("accept_warn: used, with what was odd or normalised", WARN),
    ):
        lines += ["", f"## {title}", "| code | what it means |", "|---|---|"]
        lines += [f"| `{code}` | {meaning} |" for code, meaning in reasons.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page())  # noqa: T201
