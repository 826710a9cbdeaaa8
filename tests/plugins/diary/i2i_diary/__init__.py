"""A tracker that writes down what it is told, and stumbles where it is asked to."""

from pydantic import Field

from i2i import Options, TrackerSpec, hookimpl


class DiaryOptions(Options):
    name: str = Field("diary.jsonl", description="of the file, in the run folder")
    stumbles: str | None = Field(None, description="what it fails at, such as scalars; null: nothing")


@hookimpl
def i2i_trackers():
    return [
        TrackerSpec(
            name="diary", summary="one line a line", options=DiaryOptions, build="i2i_diary.diary:Diary", api_version=1
        )
    ]
