"""Finds the project id of a Huawei Cloud region: states the question and reads the answer; sends nothing itself."""

import msgspec

from exporter.model.errors import SourceDenied, SourceGarbled
from exporter.model.events import Answer, Ask


class _Project(msgspec.Struct):
    id: str


class _Projects(msgspec.Struct):
    projects: list[_Project] = []


def project_lookup(region: str) -> Ask:
    """Asks for the projects that bear the region's name (IAM API reference, KeystoneListProjects)."""
    return Ask("iam", "/v3/projects", (("name", region),), permission="iam:projects:listProjects")


def read_project(answer: Answer, region: str) -> str:
    """The id of the one project there is. Raises SourceDenied if there is none or more than one."""
    try:
        found = msgspec.json.decode(answer.body, type=_Projects).projects
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SourceGarbled("iam: the list of projects cannot be read; set project_id") from None
    if not found:
        raise SourceDenied(f"iam: these credentials see no project named {region}; set project_id")
    if len(found) > 1:
        raise SourceDenied(f"iam: {len(found)} projects are named {region}; set project_id to one of them")
    return found[0].id
