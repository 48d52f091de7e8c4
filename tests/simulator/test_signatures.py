"""The simulator's check of signatures agrees with what the vendors' own clients compute."""

import hashlib

import pytest

from exporter.simulator.apis.signatures import alibaba, huawei, read
from exporter.simulator.http import Call

EMPTY = hashlib.sha256(b"").hexdigest()
PROJECT = "4cf650fd46704908aa071b4df2453e1e"
EVENTS = f"/v2/{PROJECT}/training-jobs/5bd61eea-9de2-4864-a0f7-5fae966171b5/events"
ENCODED = "exit%20code%201%20%26%20%5Bworker-0%5D%2F%E8%AE%AD%E7%BB%83%20%2B~%2A%27%28%29%21%3D%25"
LISTED = (
    "%2F%C3%A9%2A~%2B%3D%26%E8%AE%AD%E7%BB%83"
    "&Order=asc&PageNumber=1&PageSize=50&ShowOwn=false&SortBy=GmtCreateTime&WorkspaceId=12345"
)
SEARCH = (
    b'{"offset": 0, "limit": 50, "sort_by": "create_time", "order": "desc", "workspace_id": "0", '
    b'"filters": [{"key": "name", "operator": "like", "value": ["\xe8\xae\xad\xe7\xbb\x83-\xce\xb1"]}]}'
)


def huawei_call(host: str, path: str, query: str = "", body: bytes = b"") -> Call:
    headers = {"host": f"{host}.cn-north-4.myhuaweicloud.com", "x-project-id": PROJECT}
    headers |= {"x-sdk-date": "20250820T101112Z"}
    if body:
        headers = {"content-type": "application/json"} | headers
    return Call("POST" if body else "GET", path, query, headers, {}, body)


def is_huawei(call: Call, signature: str) -> bool:
    given = f"SDK-HMAC-SHA256 Access=A, SignedHeaders={';'.join(call.headers)}, Signature={signature}"
    signed = read(given, "SDK-HMAC-SHA256")
    assert signed is not None
    return huawei(call, signed, "EXAMPLE-huawei-secret-not-a-real-key-000")


@pytest.mark.parametrize(
    ("call", "signature"),
    [
        (
            huawei_call("dws", f"/v2/{PROJECT}/events", "limit=1000&offset=0"),
            "9d573d01535f5c295087de15f5861d78e39806f4caaa297779d4f97b54655486",
        ),
        (
            huawei_call("dws", f"/v2/{PROJECT}/events", "offset=0&limit=1000"),
            "9d573d01535f5c295087de15f5861d78e39806f4caaa297779d4f97b54655486",
        ),
        (
            huawei_call("modelarts", f"/v2/{PROJECT}/services/svc%20name%2B%C3%A9~%281%29/events"),
            "aab19bd8982a8152c72bdb244f7cf861d9ed4d8e4eaa35f2a07e5e5fdc5d4625",
        ),
        (
            huawei_call(
                "modelarts",
                EVENTS,
                f"end_time=1669711991259&limit=50&offset=0&order=desc&pattern={ENCODED}&start_time=1669449696964",
            ),
            "8801b48af57606891ce5f99574a7f8773143147b12e72552dfe82eecb9b7afdf",
        ),
        (
            huawei_call("modelarts", f"/v2/{PROJECT}/training-job-searches", "", SEARCH),
            "2eec6a0e74949ae6498d67eb2197d225af09f7faaa29eb3dcec9791d4d3f9740",
        ),
    ],
)
def test_huawei_signatures_of_the_vendors_own_client_are_right_until_something_changes(
    call: Call, signature: str
) -> None:
    assert is_huawei(call, signature)
    assert not is_huawei(call._replace(raw_query=call.raw_query + "&x=1"), signature)
    assert not is_huawei(call._replace(body=call.body + b" "), signature)
    assert not is_huawei(call._replace(path=call.path + "x"), signature)


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ("PageSize=10&Status=", "5274abdd5a1c03ed2727b288cc774beb1f54e760ae81f8aa66af694c09de3e1d"),
        ("Status=&PageSize=10", "5274abdd5a1c03ed2727b288cc774beb1f54e760ae81f8aa66af694c09de3e1d"),
        (
            f"DisplayName=train%20job{LISTED}",
            "65b7e4d19f61dd211dae0a8bbaf898c642f786931b984f2eebd9d3bf91ccf10e",
        ),
        (
            f"DisplayName=train+job{LISTED}",
            "65b7e4d19f61dd211dae0a8bbaf898c642f786931b984f2eebd9d3bf91ccf10e",
        ),
    ],
)
def test_alibaba_signatures_of_the_vendors_own_client_are_right_also_where_a_blank_is_sent_as_plus(
    query: str, signature: str
) -> None:
    headers = {
        "host": "pai-dlc.cn-hangzhou.aliyuncs.com",
        "x-acs-action": "ListJobs",
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": "2025-08-20T10:11:12Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2020-12-03",
    }
    given = f"ACS3-HMAC-SHA256 Credential=A,SignedHeaders={';'.join(headers)},Signature={signature}"
    signed = read(given, "ACS3-HMAC-SHA256")
    assert signed is not None
    secret = "EXAMPLE-ali-secret-not-a-real-key-0000"
    assert alibaba(Call("GET", "/api/v1/jobs", query, headers), signed, secret)
    assert not alibaba(Call("GET", "/api/v1/jobs", query + "&x=1", headers), signed, secret)


@pytest.mark.parametrize("given", ["", "Basic abc", "SDK-HMAC-SHA256 Access=A", "V11-HMAC-SHA256 Credential=A"])
def test_a_header_that_is_not_a_signature_is_not_read_as_one(given: str) -> None:
    assert read(given, "SDK-HMAC-SHA256") is None
