"""A real Jaeger that keeps traces in memory, and its query API."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.interop.programs import answers, built, fetch
from tests.support.processes import Child, free_port, until


class JaegerProcess(Child):
    """A running Jaeger. ``url`` takes OTLP, ``query`` is the address that people open."""

    def __init__(self, folder: Path) -> None:
        receiver, query, grpc = free_port(), free_port(), free_port()
        self.url, self.query = f"http://127.0.0.1:{receiver}", f"http://127.0.0.1:{query}"
        config = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{receiver}"}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
            "extensions": {
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10000}}}},
                "jaeger_query": {
                    "storage": {"traces": "memory"},
                    "http": {"endpoint": f"127.0.0.1:{query}"},
                    "grpc": {"endpoint": f"127.0.0.1:{grpc}"},
                },
            },
            "service": {
                "extensions": ["jaeger_storage", "jaeger_query"],
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            },
        }
        (folder / "jaeger.json").write_text(json.dumps(config))
        super().__init__(folder, "jaeger", (str(built("jaeger")), f"--config=file:{folder}/jaeger.json"))
        until(answers(f"{self.query}/api/services"), "Jaeger is ready")

    def services(self) -> list[str]:
        """Return the names of services."""
        return sorted(fetch(f"{self.query}/api/services")["data"] or [])

    def operations(self, service: str) -> list[str]:
        """Return the names of a service's operations."""
        return sorted(fetch(f"{self.query}/api/services/{service}/operations")["data"] or [])

    def find(self, service: str, operation: str = "", tags: Mapping[str, str] | None = None) -> list[Any]:
        """Return the traces that a search finds."""
        asked: dict[str, Any] = {"service": service, "limit": 1500, "start": 0, "end": 4 * 10**15}
        if operation:
            asked["operation"] = operation
        if tags:
            asked["tags"] = json.dumps(dict(tags))
        return list(fetch(f"{self.query}/api/traces", **asked)["data"])

    def trace(self, id_: str) -> Any:
        """Return one trace."""
        (found,) = fetch(f"{self.query}/api/traces/{id_}")["data"]
        return found
