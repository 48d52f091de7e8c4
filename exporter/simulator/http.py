"""One call to a simulated cloud and its answer, as plain values; knows HTTP's words but no socket."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

encode = msgspec.json.encode
JSON = (b"content-type", b"application/json;charset=utf-8")
Header = tuple[bytes, bytes]


class Call(NamedTuple):
    """A request as it came off the wire: ``path`` and ``raw_query`` still percent-encoded, header names in lower case."""

    method: str
    path: str
    raw_query: str
    headers: dict[str, str]
    params: dict[str, str] = {}
    body: bytes = b""
    client: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The decoded query; a name that stands twice has its last value."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))


class Reply(NamedTuple):
    """An answer. Where it lists things, ``rows`` are the encoded things that belong between ``body`` and ``tail``."""

    status: int
    body: bytes
    rows: Sequence[bytes] | None = None
    tail: bytes = b""
    headers: tuple[Header, ...] = (JSON,)

    def joined(self) -> bytes:
        """The whole body."""
        return self.body if self.rows is None else b"%b%b%b" % (self.body, b",".join(self.rows), self.tail)


class Refused(Exception):
    """A call that the vendor answers with an error; carries the answer."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"{reply.status} {reply.body.decode()}")


def answer(value: Any, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """A reply whose body is ``value`` as JSON."""
    return Reply(status, encode(value), headers=(JSON, *headers))


def listing(envelope: dict[str, Any], name: str, rows: Sequence[bytes]) -> Reply:
    """A reply that is ``envelope`` with one more field, ``name``: the list of ``rows``."""
    head = encode(envelope)[:-1]
    return Reply(200, b'%b%b"%b":[' % (head, b"," if envelope else b"", name.encode()), rows, b"]}")


def huawei_error(status: int, code: str, message: str) -> Refused:
    """Huawei Cloud's usual error body."""
    return Refused(answer({"error_code": code, "error_msg": message}, status))


def iam_error(status: int, message: str, title: str) -> Refused:
    """The nested error body of Huawei Cloud IAM."""
    return Refused(answer({"error": {"code": status, "message": message, "title": title}}, status))


def alibaba_error(status: int, code: str, message: str, headers: tuple[Header, ...] = ()) -> Refused:
    """Alibaba Cloud's error body. Statuses 400 and 404 for signatures follow its RPC services [inferred for PAI]."""
    body = {"RequestId": "78F6FCE2-278F-4C4A-A6B7-DD8ECEA9C456", "HostId": "pai-dlc.cn-hangzhou.aliyuncs.com"}
    body |= {"Code": code, "Message": message, "Recommend": f"https://api.aliyun.com/troubleshoot?q={code}"}
    return Refused(answer(body, status, headers))


def text(value: str, status: int = 200) -> Reply:
    """A reply in plain text."""
    return Reply(status, value.encode(), headers=((b"content-type", b"text/plain"),))
