"""A FastAPI application with the public contract's routes and no middleware: what many start from."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

app = FastAPI(title="Plain")
DATA = Path(os.environ.get("DATA_DIR", "."))


class Started(BaseModel):
    recordingId: str  # noqa: N815
    metadata: dict[str, Any] | None = None


class Ended(BaseModel):
    recordingId: str  # noqa: N815
    systemAudioPath: str  # noqa: N815
    microphoneAudioPath: str  # noqa: N815
    metadata: dict[str, Any]


def store(recording: str, event: str) -> None:
    with sqlite3.connect(DATA / "plain.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS events (recording TEXT, event TEXT)")
        database.execute("INSERT INTO events VALUES (?, ?)", (recording, event))


def check(key: str | None) -> None:
    if key != os.environ.get("API_KEY"):
        raise HTTPException(401, "wrong key")


Key = Annotated[str | None, Header(alias="X-API-Key")]


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/recording-started")
def started(body: Started, key: Key = None) -> dict[str, str]:
    check(key)
    store(body.recordingId, "started")
    return {"status": "success", "recording_id": body.recordingId}


@app.post("/api/recording-ended")
def ended(body: Ended, key: Key = None) -> dict[str, str]:
    check(key)
    store(body.recordingId, "ended")
    return {"status": "success", "event_id": f"{body.recordingId}_ended"}
