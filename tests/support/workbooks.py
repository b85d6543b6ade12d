"""Workbooks for tests, written cell by cell: `.xlsx` and `.ods`, and a real `.xls`, which Excel 97 has."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from tests.support.pipeline import Row

_EPOCH = datetime(1899, 12, 30)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts count="4"><numFmt numFmtId="164" formatCode="yyyy-mm-dd hh:mm"/>'
    '<numFmt numFmtId="165" formatCode="yyyy-mm-dd"/><numFmt numFmtId="166" formatCode="hh:mm:ss"/>'
    '<numFmt numFmtId="167" formatCode="[h]:mm:ss"/></numFmts><fonts count="1"><font/></fonts>'
    '<fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="5"><xf/>'
    + "".join(f'<xf numFmtId="{number}" applyNumberFormat="1"/>' for number in range(164, 168))
    + "</cellXfs></styleSheet>"
)


XLS = zlib.decompress(
    base64.b85decode(
        r"c-rk)O-L0{6#nkaI6lRn_e=wg9uL8O{8>bsi1b-"
        r"lx_M@8`XMOo&EoO$y_lX0Ta;xkgQ!)}MzA0Qt4%*tP|%`9VALWA0xf9MDkun2r*qEC_*a3CN-"
        r"*Xd?wNDXz4x0l_nv#^=jC{0V)#zYBo?6sI%b?AnDcCkN|9d)gW4U3RsS5K;sjVxC<@U+ngw`R`l686kk@+>8g3g;NdoVw9KvyQW;"
        r"0f78L>lr=vM4QGf9Q3WGO?ncvT_tsK`|!Z%NNbB3s3BUSu=%olplc9`CH*;zjX(tybE~z`XZl%v-"
        r"T+LKU8K6raAJ+`a|aZl}7Bt+0luQGyZBg0@>3%jS9&uJM*VKxj%Nn%df89UWT}i3wEFl8@l469c~Zd;3W&urIG&f$ZNF+6#YU57A"
        r"OCwqMc=U;xe$*(yU6+6{)gop;+w%RVuMZ5$3#s3Di?wJ6?GN!sq+z1hA@j*RJ4CP^vWwsL)T#!8Z<C!0;{)H~Z>%&A{eMR-"
        r"A~D3vW#LNbYR(Ic{v!sO-DjnA(VJzep`Vi}OfgZmJvV{hT$43D6}Wzr%JQv?I`GNM7`Sz%oxdX30R>O<#sT~(g4Yf$=}lh$=~oy~"
        r"&R@%8ic4Wti!+H*fT^dY{H^s)BIla*s{;=`z=hgy=x^D&4<)u^sqW;}@dXXPcFcOt8QN<JYi?D_6^Ps(ykqgd34NVmqbqh@QGH&<"
        r">=r<y)nGpJ^G%xV#{PV=QC3EmtX9Yx*8*2ko)*}0D(9cFfBQo_q~dP?J(;q_r&?H9ama%E^9ue+wE@P3c@yqfTu9<L_6rpK$x-"
        r"OTYai!Qv^pYc6kR6G+V){<58?wVg5+yRA%Dnu!|TC@t>Wq&B2&!HFr0t5&UAV7cs0saI^UPK`;VTSkmZF(OH{9k99%1rQ^<iEvUW"
        r"a-G!=j2Xg=xn1uulQMw0_Ah5C64j`7c%zI)orBFBYvdwj$isfQS<L-$pgcGZwuvn{h56H{Kwb-0pQr|vH"
    )
)
"""What xlwt 1.3.0 writes: two orders of 1 March 2024, and one of the next midnight with the amount `=1/0`."""


class Error(str):
    """The error of a formula, such as `#N/A`."""


def table(rows: Sequence[Row]) -> list[list[Any]]:
    """Rows as a sheet: their names first, and times as times."""
    return [
        list(rows[0]),
        *([datetime.fromisoformat(row["time"]), *list(row.values())[1:]] for row in rows),
    ]


def write_xlsx(
    file: Path,
    sheets: Mapping[str, Iterable[Sequence[Any]]],
    *,
    merged: Sequence[str] = (),
    hidden: Sequence[str] = (),
    dimension: str = "",
) -> None:
    """Write sheets of cells; None is an empty one."""
    names = list(sheets)
    state = dict.fromkeys(hidden, 'state="hidden"')
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="r{number}" {state.get(name, "")}/>'
        for number, name in enumerate(names, start=1)
    )
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/></Types>',
        "_rels/.rels": _relations([("r1", "officeDocument", "xl/workbook.xml")]),
        "xl/_rels/workbook.xml.rels": _relations(
            [
                ("s", "styles", "styles.xml"),
                *(
                    (f"r{number}", "worksheet", f"worksheets/sheet{number}.xml")
                    for number in range(1, len(names) + 1)
                ),
            ]
        ),
        "xl/styles.xml": _STYLES,
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{listed}</sheets>'
        "</workbook>",
    }
    with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=1) as out:
        for name, text in parts.items():
            out.writestr(name, text)
        for number, rows in enumerate(sheets.values(), start=1):
            with out.open(f"xl/worksheets/sheet{number}.xml", "w") as sheet:
                for text in _sheet(rows, merged, dimension):
                    sheet.write(text.encode())


def _relations(given: Iterable[tuple[str, str, str]]) -> str:
    below = "".join(
        f'<Relationship Id="{name}" Type="{_LINKS}/{kind}" Target="{target}"/>'
        for name, kind, target in given
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{below}'
        "</Relationships>"
    )


def _sheet(rows: Iterable[Sequence[Any]], merged: Sequence[str], dimension: str) -> Iterator[str]:
    size = f'<dimension ref="{dimension}"/>' if dimension else ""
    yield f'<worksheet xmlns="{_MAIN}">{size}<sheetData>'
    for number, row in enumerate(rows, start=1):
        cells = "".join(_cell(value, f"{_letters(at)}{number}") for at, value in enumerate(row))
        yield f'<row r="{number}">{cells}</row>'
    joined = "".join(f'<mergeCell ref="{cells}"/>' for cells in merged)
    yield f"</sheetData>{f'<mergeCells>{joined}</mergeCells>' if joined else ''}</worksheet>"


def _letters(number: int) -> str:
    return chr(ord("A") + number)


def _cell(value: object, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, Error):
        return f'<c r="{place}" t="e"><f>1/0</f><v>{value}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    number, style = _moment(value)
    return f'<c r="{place}" s="{style}"><v>{number!r}</v></c>'


def _moment(value: object) -> tuple[float, int]:
    """A date, or a length of time, as days, and its style."""
    day = timedelta(days=1)
    if isinstance(value, datetime):
        return (value - _EPOCH) / day, 1
    if isinstance(value, date):
        return (datetime.combine(value, time()) - _EPOCH) / day, 2
    if isinstance(value, time):
        return (datetime.combine(_EPOCH, value) - _EPOCH) / day, 3
    assert isinstance(value, timedelta)
    return value / day, 4


def write_ods(file: Path, sheets: Mapping[str, Iterable[Sequence[Any]]]) -> None:
    """Write sheets of text, numbers, dates and truth values as LibreOffice does."""
    name = "urn:oasis:names:tc:opendocument:xmlns"
    below = "".join(
        f'<table:table table:name="{escape(sheet)}">'
        + "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for sheet, rows in sheets.items()
    )
    with ZipFile(file, "w") as out:
        out.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        out.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest xmlns:manifest="{name}:manifest:1.0"><manifest:file-entry '
            'manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>'
            "</manifest:manifest>",
        )
        out.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{name}:office:1.0" xmlns:table="{name}:table:1.0" '
            f'xmlns:text="{name}:text:1.0"><office:body><office:spreadsheet>{below}</office:spreadsheet>'
            "</office:body></office:document-content>",
        )


def _ods_cell(value: object) -> str:
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, bool):
        given = f'boolean" office:boolean-value="{str(value).lower()}'
    elif isinstance(value, int | float):
        given = f'float" office:value="{value}'
    elif isinstance(value, date):
        given = f'date" office:date-value="{value.isoformat()}'
    else:
        given = "string"
    shown = f"<text:p>{escape(str(value))}</text:p>"
    return f'<table:table-cell office:value-type="{given}">{shown}</table:table-cell>'
