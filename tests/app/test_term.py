"""A process whose lease may be over sends nothing and shows nothing of a platform, before anybody has told it."""

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from exporter.app.term import LeasedTransport, while_valid
from exporter.model.errors import LeaseLost
from exporter.web.standby import ReplicaSite

WORDS = "this replica leads no more; nothing is sent"


class Vendor(httpx2.AsyncBaseTransport):
    """Counts the requests that reach it."""

    asked = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        return httpx2.Response(200)


async def test_a_request_is_sent_only_while_the_term_is_valid() -> None:
    vendor, valid = Vendor(), [True]
    async with httpx2.AsyncClient(transport=LeasedTransport(vendor, lambda: valid[0])) as client:
        await client.get("http://vendor/events")
        valid[0] = False
        with pytest.raises(LeaseLost, match=WORDS):
            await client.get("http://vendor/events")
    assert vendor.asked == 1


async def test_a_delivery_is_sent_only_while_the_term_is_valid() -> None:
    sent, valid = list[bytes](), [True]

    async def post(body: bytes) -> None:
        sent.append(body)

    checked = while_valid(post, lambda: valid[0])
    await checked(b"one")
    valid[0] = False
    with pytest.raises(LeaseLost, match=WORDS):
        await checked(b"two")
    assert sent == [b"one"]


async def test_the_site_of_a_leader_is_shown_only_while_the_term_is_valid() -> None:
    site, valid = ReplicaSite(PlainTextResponse("standby")), [True]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(site), base_url="http://exporter") as client:

        async def shown() -> str:
            return (await client.get("/metrics")).text

        assert await shown() == "standby"
        site.lead(PlainTextResponse("leader"), lambda: valid[0])
        assert await shown() == "leader"
        valid[0] = False
        assert await shown() == "standby"
        valid[0] = True
        site.stand_by()
        assert await shown() == "standby"
