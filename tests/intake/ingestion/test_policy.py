"""The policy on files that are odd, broken or hostile: one row a case, with the verdict and just the reasons expected.

Files pass both reading passes in this process; what needs a worker's limits is in test_workers.py.
"""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless
from support.dicoms import CR, DX, code, image, radiograph
from support.hostile import (
    ITEM,
    OPEN_ITEM,
    UNDEFINED,
    deflated,
    element,
    nested,
    tag_of,
)
from support.odd_files import (
    BIG_ENDIAN,
    CUT_STREAMS,
    EMPTY_ITEM,
    ENORMOUS,
    LATIN,
    OTHER_CLASSES,
    Make,
    announcing,
    appended,
    baseline_said_to_be_lossless,
    big_endian,
    claiming,
    compressed,
    cut,
    cut_stream,
    deflated_with_zlibs_header,
    encapsulated_as,
    high_bits,
    huge,
    implicit,
    in_part,
    lut,
    meta_of_another,
    more,
    nested_private,
    not_utf8,
    nothing,
    odd_length,
    of_floats,
    padded,
    plain,
    plan_without_meta,
    polyglot,
    private,
    raw,
    tile_missing,
    two_frames,
    unencapsulated,
    value,
    with_icon,
    with_text,
    without_meta,
    without_preamble,
    zipped,
)
from support.readers import Outcome, outcome

from dagster_project.intake.ingestion.headers.reasons import REASONS
from dagster_project.intake.ingestion.headers.sources import list_files

CASES: dict[str, tuple[Make, str, str]] = {
    "valid": (plain(), "accept", ""),
    # No DICOM
    "text.dcm": (raw(b"hello"), "quarantine", "not_dicom_content"),
    "jpeg.dcm": (raw(b"\xff\xd8\xff\xe0" + b"x" * 500), "quarantine", "not_dicom_content"),
    "zero bytes.dcm": (raw(b""), "quarantine", "empty_file"),
    "preamble only.dcm": (raw(b"\0" * 128), "quarantine", "not_dicom_content"),
    "prefix only.dcm": (raw(b"\0" * 128 + b"DICM"), "quarantine", "damaged_header"),
    "readme.txt": (raw(b"hello"), "skip", "not_dicom"),
    "empty.txt": (raw(b""), "skip", "not_dicom"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"DICM" * 99)), "skip", "not_dicom"),
    "fifo.dcm": (os.mkfifo, "skip", "special_file"),
    "dangling.dcm": (lambda path: path.symlink_to("nowhere"), "quarantine", "link_outside"),
    # Other kinds
    "DICOMDIR": (plain(SOPClassUID="1.2.840.10008.1.3.10"), "skip", "dicomdir"),
    "CT": (plain(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"), "skip", "other_modality"),
    "mammography modality": (plain(Modality="MG"), "skip", "other_modality"),
    **{name: (plain(SOPClassUID=uid), "skip", "other_sop_class") for name, uid in OTHER_CLASSES.items()},
    "film digitised as RG": (plain(Modality="RG"), "accept", ""),
    "CR": (plain(Modality="CR", SOPClassUID=CR, PresentationIntentType=None), "accept", ""),
    "no modality": (plain(Modality=None), "accept", ""),
    "processing by class": (plain(SOPClassUID=DX + ".1"), "skip", "for_processing"),
    "processing by intent": (plain(PresentationIntentType="FOR PROCESSING"), "skip", "for_processing"),
    "multi-frame": (plain(NumberOfFrames=2, PixelData=image(0).tobytes() * 2), "skip", "multi_frame"),
    "one frame said": (plain(NumberOfFrames=1), "accept", ""),
    "RGB": (plain(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "skip", "colour"),
    "palette": (plain(PhotometricInterpretation="PALETTE COLOR"), "skip", "colour"),
    "three samples, said to be grey": (plain(SamplesPerPixel=3), "skip", "colour"),
    "no samples": (plain(SamplesPerPixel=0), "quarantine", "damaged_header"),
    "unknown photometric interpretation": (plain(PhotometricInterpretation="GREY"), "quarantine", "damaged_header"),
    "two modalities": (plain(Modality=["DX", "CT"]), "quarantine", "damaged_header"),
    **{
        f"frames: {said!r}": (value("NumberOfFrames", "IS", said), verdict, reason)
        for said, verdict, reason in (
            (b"0 ", "accept", ""),
            (b"1\\0 ", "accept", ""),
            (b"", "accept", ""),
            (b"one ", "accept_warn", "bad_number"),
            (b"-1", "quarantine", "decoder_error"),
            (b"999999999999", "skip", "multi_frame"),
        )
    },
    "no photometric interpretation": (plain(PhotometricInterpretation=None), "quarantine", "damaged_header"),
    # Identifiers
    "no SOP instance": (plain(SOPInstanceUID=None), "quarantine", "missing_identifier"),
    "no study": (plain(StudyInstanceUID=None), "quarantine", "missing_identifier"),
    "no patient": (plain(PatientID=None), "quarantine", "missing_identifier"),
    "patient of two empty values": (plain(PatientID=["", " "]), "quarantine", "missing_identifier"),
    "empty patient": (plain(PatientID="  "), "quarantine", "missing_identifier"),
    "no series": (plain(SeriesInstanceUID=None), "accept", ""),
    "UID is a path": (value("SOPInstanceUID", "UI", b"../../../etc/passwd\0"), "quarantine", "invalid_uid"),
    "UID of 66 characters": (value("StudyInstanceUID", "UI", b"1." * 32 + b"12"), "quarantine", "invalid_uid"),
    "UID with letters": (value("SeriesInstanceUID", "UI", b"1.2.abc\0"), "quarantine", "invalid_uid"),
    "UID with empty parts": (value("SOPInstanceUID", "UI", b"1..2"), "quarantine", "invalid_uid"),
    "meta names another": (meta_of_another, "quarantine", "meta_mismatch"),
    # Size and bits
    "no rows": (plain(Rows=None), "quarantine", "no_size"),
    "zero columns": (plain(Columns=0), "quarantine", "no_size"),
    "gigapixel": (plain(Rows=65535, Columns=65535), "quarantine", "too_large"),
    "more stored than allocated": (plain(BitsStored=17, HighBit=16), "quarantine", "inconsistent_bits"),
    "no bits stored": (plain(BitsStored=0), "quarantine", "inconsistent_bits"),
    "high bit elsewhere": (plain(HighBit=15), "quarantine", "inconsistent_bits"),
    "32 bits": (plain(BitsAllocated=32), "quarantine", "inconsistent_bits"),
    "1 bit": (plain(BitsAllocated=1, BitsStored=1, HighBit=0), "quarantine", "inconsistent_bits"),
    "no high bit": (plain(HighBit=None), "accept", ""),
    # Damaged headers
    "cut in the meta information": (cut(200), "quarantine", "missing_identifier"),
    "cut in the header": (cut(700), "quarantine", "missing_identifier"),
    "length of 4 GB": (
        more(tag_of("StudyComments"), element(tag_of("StudyComments"), "UT", b"x", 0xFFFFFFF0)),
        "quarantine",
        "no_pixels",
    ),
    "2000 sequences nested": (
        more(tag_of("RequestAttributesSequence"), nested(2000, defined=False)),
        "quarantine",
        "nested_too_deep",
    ),
    "100 sequences nested": (
        more(tag_of("RequestAttributesSequence"), nested(100, defined=True)),
        "quarantine",
        "nested_too_deep",
    ),
    "20 sequences nested": (more(tag_of("RequestAttributesSequence"), nested(20, defined=True)), "accept", ""),
    "a sequence whose item is cut off": (
        more(tag_of("RequestAttributesSequence"), element(tag_of("RequestAttributesSequence"), "SQ", EMPTY_ITEM[:6])),
        "quarantine",
        "damaged_header",
    ),
    "meta information whose version is said to be a sequence": (
        more(tag_of("FileMetaInformationVersion"), element(tag_of("FileMetaInformationVersion"), "SQ", b"\0\1")),
        "quarantine",
        "damaged_header",
    ),
    "private sequences nested": (nested_private("SQ", defined=True), "quarantine", "nested_too_deep"),
    "private sequences nested, undefined": (nested_private("SQ", defined=False), "quarantine", "nested_too_deep"),
    "private unknowns nested, undefined": (nested_private("UN", defined=False), "quarantine", "nested_too_deep"),
    "private unknowns nested": (nested_private("UN", defined=True), "accept_warn", "private_tags"),
    "zip.dcm": (zipped, "quarantine", "not_dicom_content"),
    "sequence never closed": (
        more(
            tag_of("RequestAttributesSequence"),
            element(tag_of("RequestAttributesSequence"), "SQ", OPEN_ITEM, UNDEFINED),
        ),
        "quarantine",
        "damaged_header",
    ),
    "item longer than its sequence, which is not read": (
        more(
            tag_of("RequestAttributesSequence"),
            element(tag_of("RequestAttributesSequence"), "SQ", ITEM[:4] + struct.pack("<I", 2**31)),
        ),
        "accept",
        "",
    ),
    "an attribute of megabytes": (
        more(tag_of("StudyDescription"), element(tag_of("StudyDescription"), "UT", b"x" * (2 << 20))),
        "quarantine",
        "too_large",
    ),
    "codes by the thousand": (
        more(tag_of("AnatomicRegionSequence"), element(tag_of("AnatomicRegionSequence"), "SQ", EMPTY_ITEM * 2000)),
        "quarantine",
        "too_large",
    ),
    "elements by the hundred thousand": (
        more(0x60100000, element(0x60103000, "LO", b"") * 100_000),
        "quarantine",
        "too_large",
    ),
    "a file of gigabytes": (huge, "quarantine", "too_large"),
    "a gigabyte of nothing.dcm": (nothing, "quarantine", "not_dicom_content"),
    "plan of radiotherapy without meta": (plan_without_meta, "skip", "other_modality"),
    "written up to its prefix": (in_part(132, size=8 << 20), "quarantine", "damaged_header"),
    "written up to its meta information": (in_part(150, size=8 << 20), "quarantine", "damaged_header"),
    "written up to an attribute": (in_part(700), "quarantine", "damaged_header"),
    "written up to a private value without an end": (
        in_part(-1 - 9600 - 12, struct.pack("<HH2sHI", 0x29, 0x1010, b"UN", 0, UNDEFINED)),
        "quarantine",
        "damaged_header",
    ),
    "written up to its pixels": (in_part(-9000), "quarantine", "too_large"),
    # Pixel data
    "two rows of thousands": (plain(pixels=np.arange(40000).reshape(2, -1) % 4000), "accept", ""),
    "no pixel data": (plain(PixelData=None), "quarantine", "no_pixels"),
    "pixel data of no length": (plain(PixelData=b""), "quarantine", "no_pixels"),
    "cut in the pixel data": (cut(6000), "quarantine", "pixels_short"),
    "pixel data two bytes short": (plain(PixelData=b"\1\2" * 4799), "quarantine", "pixels_short"),
    "pixel data thrice": (plain(PixelData=image(0).tobytes() * 3), "quarantine", "pixels_long"),
    "pixel data two bytes long": (plain(PixelData=image(0).tobytes() + b"\0\0"), "quarantine", "pixels_long"),
    "of floats": (of_floats, "quarantine", "inconsistent_bits"),
    "an icon only": (with_icon(PixelData=None), "quarantine", "no_pixels"),
    "an icon beside": (with_icon(), "accept", ""),
    "an odd byte more": (odd_length(1), "accept_warn", "pixel_padding"),
    "an odd byte less": (odd_length(-1), "quarantine", "pixels_short"),
    "padding of a range": (padded(0, 400), "accept_warn", "padding_masked"),
    "padding of all values": (padded(0, 4095), "accept_warn", "padding_ignored"),
    "padding of a turned range": (padded(4000, 0), "accept_warn", "padding_ignored"),
    "pixel data that announce 4 GB": (announcing(0xFFFFFFF0), "accept_warn", "false_length"),
    "compressed in big endian": (encapsulated_as(BIG_ENDIAN), "quarantine", "damaged_header"),
    "compressed, said not to be": (encapsulated_as("1.2.840.10008.1.2.1"), "quarantine", "pixels_short"),
    "JPEG 2000 of two frames": (compressed(JPEG2000Lossless, two_frames), "quarantine", "decoder_error"),
    "RLE of two frames": (compressed(RLELossless, two_frames), "quarantine", "decoder_error"),
    "deflated with zlib's header": (deflated_with_zlibs_header, "quarantine", "damaged_header"),
    "rows too many": (plain(Rows=90), "quarantine", "pixels_short"),
    "constant": (plain(pixels=np.full((80, 60), 9)), "quarantine", "constant"),
    "JPEG 2000 of another size": (
        compressed(JPEG2000Lossless, lambda ds: setattr(ds, "Rows", 40)),
        "quarantine",
        "decoder_error",
    ),
    "JPEG-LS of another size": (
        compressed(JPEGLSLossless, lambda ds: setattr(ds, "Columns", 70)),
        "quarantine",
        "decoder_error",
    ),
    "RLE that decodes to more than said": (  # the decoder panics, which is no Exception
        compressed(RLELossless, lambda ds: setattr(ds, "Rows", 40)),
        "quarantine",
        "decoder_error",
    ),
    "RLE of another size": (
        compressed(RLELossless, lambda ds: setattr(ds, "Rows", 160)),
        "quarantine",
        "decoder_error",
    ),
    "JPEG 2000 that says it is enormous": (
        compressed(JPEG2000Lossless, lambda ds: setattr(ds, "PixelData", ds.PixelData.replace(*ENORMOUS))),
        "quarantine",
        "decoder_error",
    ),
    "JPEG 2000 without three of its tiles": (tile_missing, "quarantine", "pixels_short"),
    **{
        f"{syntax} to {keep}": (cut_stream(syntax, keep), "quarantine", reason)
        for syntax, reason in CUT_STREAMS.items()
        for keep in (0.2, 0.6, 0.95)
    },
    **{
        f"not really {syntax}": (claiming(syntax), "quarantine", "decoder_error")
        for syntax in (JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1, JPEGBaseline8Bit, RLELossless, "1.2.3.4")
    },
    "compressed, but not encapsulated": (unencapsulated, "quarantine", "decoder_error"),
    "MPEG-2": (claiming("1.2.840.10008.1.2.4.100"), "quarantine", "decoder_error"),
    # Used, and said why it was odd
    "implicit VR": (implicit, "accept_warn", "implicit_vr"),
    "big endian": (big_endian, "accept", ""),
    "deflated": (lambda path: deflated(radiograph(), path), "accept", ""),
    "no preamble": (without_preamble, "accept_warn", "no_preamble"),
    "no meta": (without_meta, "accept_warn", "no_preamble"),
    "TIFF as well": (polyglot, "accept_warn", "odd_preamble"),
    "MONOCHROME1": (plain(PhotometricInterpretation="MONOCHROME1"), "accept_warn", "monochrome1"),
    "signed": (plain(PixelRepresentation=1, pixels=image(0) - 2000), "accept_warn", "signed"),
    "lossy stream under a lossless syntax": (baseline_said_to_be_lossless, "quarantine", "syntax_mismatch"),
    "inverse presentation of MONOCHROME2": (
        plain(PresentationLUTShape="INVERSE"),
        "accept_warn",
        "presentation_conflict",
    ),
    "overlay in the high bits": (high_bits, "accept_warn", "high_bits"),
    "bytes after the pixels": (appended(b"\0" * 100), "accept_warn", "pixel_padding"),
    "an element after the pixels": (
        appended(element(0xFFFCFFFC, "OB", b"\0" * 64)),
        "accept_warn",
        "pixel_padding",
    ),
    "rescaled": (plain(RescaleSlope="2", RescaleIntercept="-100"), "accept_warn", "rescaled"),
    "slope zero": (plain(RescaleSlope="0", RescaleIntercept="0"), "accept_warn", "rescale_ignored"),
    "slope is a word": (value("RescaleSlope", "DS", b"abc "), "accept_warn", "bad_number;rescale_ignored"),
    "modality LUT": (
        plain(ModalityLUTSequence=lut(0, list(range(0, 8192, 2)))),
        "accept_warn",
        "rescaled",
    ),
    "modality LUT without data": (
        plain(ModalityLUTSequence=Sequence([Dataset()])),
        "accept_warn",
        "rescale_ignored",
    ),
    "window": (plain(WindowCenter="2000", WindowWidth="4000"), "accept", ""),
    "window of width zero": (plain(WindowCenter="2000", WindowWidth="0"), "accept_warn", "voi_ignored"),
    "window beside the image": (plain(WindowCenter="60000", WindowWidth="10"), "accept_warn", "voi_ignored"),
    "VOI LUT": (plain(VOILUTSequence=lut(0, list(range(4096)))), "accept", ""),
    "VOI LUT of one entry": (plain(VOILUTSequence=lut(0, [7])), "accept_warn", "voi_ignored"),
    "private attributes": (private, "accept_warn", "private_tags"),
    "unknown character set": (value("SpecificCharacterSet", "CS", b"ISO_IR 999"), "accept_warn", "charset"),
    "50 character sets": (plain(SpecificCharacterSet=["ISO 2022 IR 100"] * 50), "accept", ""),
    "50 unknown character sets": (
        value("SpecificCharacterSet", "CS", b"\\".join(b"X%02d" % i for i in range(50)) + b" "),
        "accept_warn",
        "charset",
    ),
    "name in three scripts, none decodable": (
        value("PatientName", "PN", b"CANARYNAME^A=\xff\xfe\x81^\x82=\xfe\x80\x81"),
        "accept_warn",
        "charset;odd_text",
    ),
    "undeclared bytes in the patient's number": (
        value("PatientID", "LO", b"CANARYID\xc4\xd6"),
        "accept_warn",
        "charset",
    ),
    "undeclared Latin-1": (
        value("StudyDescription", "LO", LATIN.encode("latin-1")),
        "accept_warn",
        "charset",
    ),
    "UTF-8": (plain(SpecificCharacterSet="ISO_IR 192", StudyDescription=LATIN), "accept", ""),
    "UTF-8 that is none": (not_utf8, "accept_warn", "charset"),
    "bad study date": (plain(StudyDate="20260230"), "accept_warn", "bad_date"),
    "no study date": (plain(StudyDate=None), "accept_warn", "bad_date"),
    "tension with a comma": (value("KVP", "DS", b"60,5"), "accept_warn", "bad_number"),
    "burned-in text": (with_text("MUELLER HANS"), "accept_warn", "text_masked"),
    "burned-in annotation": (plain(BurnedInAnnotation="YES"), "accept_warn", "burned_in"),
    "markup in a text": (plain(StudyDescription="<script>alert(1)</script>"), "accept_warn", "odd_text"),
    "formula in a text": (plain(SeriesDescription="=cmd|' /C calc'!A0"), "accept_warn", "odd_text"),
    "control character": (plain(StationName="ROOM\x1b[2J"), "accept_warn", "odd_text"),
    "name of the patient in a device text": (plain(StationName="CANARYNAME"), "accept_warn", "text_withheld"),
    # Labels
    "no label": (plain(AnatomicRegionSequence=Sequence([]), BodyPartExamined=None), "accept_warn", "missing_label"),
    "region of no class": (
        plain(AnatomicRegionSequence=Sequence([code("816094009", "Chest")]), BodyPartExamined="CHEST"),
        "accept_warn",
        "out_of_scope_label",
    ),
    "ambiguous": (
        plain(AnatomicRegionSequence=Sequence([]), BodyPartExamined="EXTREMITY"),
        "accept_warn",
        "ambiguous_label",
    ),
    "unknown word": (
        plain(AnatomicRegionSequence=Sequence([]), BodyPartExamined="XYZZY"),
        "accept_warn",
        "unmapped_label",
    ),
    "German word": (
        plain(AnatomicRegionSequence=Sequence([]), BodyPartExamined="KNIE"),
        "accept_warn",
        "nonstandard_label",
    ),
    "retired code": (
        plain(AnatomicRegionSequence=Sequence([code("T-D9200", "Knee", "SRT")])),
        "accept_warn",
        "retired_label",
    ),
    "conflicting attributes": (plain(BodyPartExamined="HAND"), "accept_warn", "label_conflict"),
}


def read(name: str, folder: Path) -> Outcome:
    make, _, _ = CASES[name]
    path = folder / (name if "." in name or name == "DICOMDIR" else f"{name}.dcm" if name != "gzip" else "a.gz")
    make(path)
    (file,) = list_files(folder)
    return outcome(file)


@pytest.mark.parametrize("name", CASES)
def test_a_file_gets_its_verdict_for_just_the_reasons_expected(name: str, tmp_path: Path) -> None:
    _, verdict, reasons = CASES[name]
    found = read(name, tmp_path)
    assert (found.verdict, found.reasons) == (verdict, set(reasons.split(";")) - {""})
    assert (found.image is not None) == verdict.startswith("accept")


@pytest.mark.parametrize("name", [name for name, (_, verdict, _) in CASES.items() if verdict.startswith("accept")])
def test_no_identity_is_in_the_row_of_a_file_that_is_used(name: str, tmp_path: Path) -> None:
    row = read(name, tmp_path).row
    assert row is not None
    assert "CANARY" not in repr(row)
    assert str(radiograph().StudyInstanceUID) not in repr(row)


def test_every_reason_that_one_file_can_have_in_this_process_has_a_case() -> None:
    tested = {reason for _, _, reasons in CASES.values() for reason in reasons.split(";")}
    by_worker, by_batch = {"too_slow", "decoder_crashed"}, {"uid_conflict", "duplicate_file", "same_pixels"}
    assert set(REASONS) - tested == by_worker | by_batch | {"unreadable", "changed"}
