"""All reasons for the verdict on a file."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["accept", "accept_warn", "quarantine", "skip"]

SKIP = {
    "not_dicom": "not a DICOM file, and not named as one",
    "special_file": "a FIFO, socket or device",
    "dicomdir": "a DICOMDIR index",
    "other_modality": "not a radiograph: another modality",
    "other_sop_class": "not a radiograph: another SOP class, such as a secondary capture, a report or a document",
    "for_processing": "raw detector data; the same exposure comes FOR PRESENTATION",
    "multi_frame": "several frames",
    "colour": "a colour or palette image",
}
QUARANTINE = {
    "not_dicom_content": "named as a DICOM file, but the content is not DICOM",
    "empty_file": "zero bytes",
    "unreadable": "the file cannot be opened",
    "link_outside": "a symbolic link that leads out of the source, is broken or loops",
    "changed": "the file changed while the batch was read; ingest the batch again to read the file again",
    "damaged_header": "the header cannot be parsed, or does not give the kind or format of an image",
    "nested_too_deep": "the sequences are nested too deep",
    "missing_identifier": "no SOP instance, study or patient identifier",
    "invalid_uid": "a UID with characters other than digits and dots, or longer than 64 characters",
    "meta_mismatch": "file meta information and data set name different instances",
    "inconsistent_bits": "bits allocated, stored and high bit contradict each other",
    "no_size": "rows or columns missing or zero",
    "too_large": "the declared or decompressed size is above the limits",
    "no_pixels": "no pixel data",
    "pixels_short": "less pixel data than the header says",
    "pixels_long": "more pixel data than the header says, beyond padding",
    "syntax_mismatch": "the pixel data have another transfer syntax than the header says",
    "decoder_error": "the pixel data cannot be decoded",
    "decoder_crashed": "the decoder crashed",
    "too_slow": "reading took longer than the time limit",
    "constant": "every pixel has the same value",
    "uid_conflict": "another file of the batch has the same SOP Instance UID but other content",
}
WARN = {
    "duplicate_file": "a byte-identical copy of the same instance; used once",
    "same_pixels": "the same pixels as another instance; both are on one side of the split",
    "no_preamble": "read without a preamble or file meta information",
    "monochrome1": "stored inverted; inverted once",
    "signed": "signed pixels",
    "rescaled": "a rescale slope or intercept other than 1 and 0, or a modality LUT, was applied",
    "rescale_ignored": "a rescale or modality LUT is unusable and was skipped; another usable one was applied",
    "voi_ignored": "a VOI LUT or window is unusable, or would blank the image, and was skipped; another usable one"
    " was applied",
    "padding_masked": "pixels that the header declares as padding; black, and not part of the contrast stretch",
    "padding_ignored": "the header declares almost the whole image as padding; the declaration was ignored",
    "false_length": "a length field of the pixel data, a fragment, the file meta information or a sequence's item is"
    " wrong; the image is complete",
    "presentation_conflict": "Presentation LUT Shape INVERSE with MONOCHROME2; shown as MONOCHROME2",
    "pixel_padding": "padding or other bytes after the pixel data",
    "high_bits": "overlays or other data above the stored bits, left out",
    "implicit_vr": "value representations are not in the file (Implicit VR)",
    "odd_preamble": "the preamble is not zero, so the file may also be readable as another file type",
    "private_tags": "private attributes, which are never read",
    "charset": "an unknown or missing character set, or bytes that do not fit the declared character set",
    "odd_text": "control characters, markup or a formula in a text",
    "bad_date": "the study date cannot be read",
    "bad_number": "a decimal number with a comma, or not a number",
    "missing_label": "no attribute names a region",
    "ambiguous_label": "the label names no single region",
    "unmapped_label": "the label has no known word",
    "out_of_scope_label": "the label names a region outside the classes",
    "retired_label": "the label uses a retired term or code",
    "nonstandard_label": "the label names the region in words, not by a code or a defined term",
    "label_conflict": "attributes name different regions",
    "burned_in": "the header says that there is burned-in annotation",
    "text_masked": "lines of burned-in text were masked",
    "text_withheld": "a device text contained an identity and was withheld",
}
REASONS: dict[str, str] = {**SKIP, **QUARANTINE, **WARN}


def verdict_of(reasons: list[str]) -> Verdict:
    """The verdict for a file's reasons: quarantine reasons come first, then skip reasons, then warnings."""
    if any(r in QUARANTINE for r in reasons):
        return "quarantine"
    if any(r in SKIP for r in reasons):
        return "skip"
    return "accept_warn" if reasons else "accept"


class RefusedFile(Exception):
    """A file that is not used. The text is only the reason code, so that it can go into any log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def page() -> str:
    """The documentation page with all reasons, in Markdown."""
    lines = [
        "# All reasons for the verdict on a file",
        "",
        "Each file has one verdict. The reason codes are in `data/quarantine/<batch>.parquet` and, with the path, in",
        "`data/private/files.parquet`; several codes are joined by `;`.",
    ]
    for title, reasons in (
        ("quarantine: not usable", QUARANTINE),
        ("skip: not a radiograph for this job", SKIP),
        ("accept_warn: used, with a warning or a correction", WARN),
    ):
        lines += ["", f"## {title}", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {meaning} |" for code, meaning in reasons.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page())  # noqa: T201
