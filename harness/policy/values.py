"""The kinds of value that a policy's keys take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

# Without `strict`, "4", 4.0 and true would all be taken for the number 4.
Count = Annotated[int, Field(strict=True, ge=1)]
Bytes = Annotated[int, Field(strict=True, ge=1)]
Seconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, gt=0, lt=1)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1)]

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:\d+)?$")]
Method = Annotated[str, Field(pattern=r"^[A-Z]+$")]
HeaderName = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
Path = Annotated[str, Field(pattern=r"^/\S*$")]
Route = Annotated[str, Field(pattern=r"^[A-Z]+ /\S*$")]
RoleName = Annotated[str, Field(pattern=r"^[a-z][a-z-]*$")]
ClientAddress = Literal["proxy", "denied", "stranger"]
CredentialKind = Literal["key", "session"]
Tier = Literal["edge", "application", "data"]
Flow = Annotated[str, Field(pattern=r"^(edge|application|data) (edge|application|data)$")]
