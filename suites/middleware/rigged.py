"""A deployment in which a failure can be provoked and the cost of a log line be measured."""

from __future__ import annotations

from typing import Final

from harness import defect, edit

CAUSE: Final = "a cause that no client may see"
UNLOGGED: Final = "unlogged"  # request ids that begin so leave no line
HEALTH: Final = "panotti/routes/health.py"

RIGGED: Final = defect(
    "one route raises, and one tells the processor time that its process has used",
    edit(
        "",
        HEALTH,
        "    settings = services_of(request.scope).settings\n",
        f'    raise RuntimeError("{CAUSE}: " + request.headers["x-api-key"])\n',
    ),
    edit(
        "",
        HEALTH,
        '    """The process answers. Touches no dependency."""\n    return encoded(OK)\n',
        '    return answer({"status": "ok", "cpu_ns": __import__("time").process_time_ns()})\n',
    ),
    edit(
        "",
        "panotti/middleware/context.py",
        '            log_request(\n                request_id=state["request_id"],\n',
        f'            state["request_id"].startswith("{UNLOGGED}") or log_request(\n'
        '                request_id=state["request_id"],\n',
    ),
)
ACCESS_LOG_BESIDE = edit(
    "a plain access line beside the structured one",
    "panotti/middleware/context.py",
    '            state = scope["state"]\n            principal',
    '            state = scope["state"]\n'
    '            os.write(1, f\'{state["client"]} {scope["method"]} {scope["path"]}\\n\'.encode())\n'
    "            principal",
)
