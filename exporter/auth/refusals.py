"""What a refused request or login means.

It says whether the keys are spent, and who can help. Pure; repeats no vendor's text.
"""

from collections.abc import Mapping

from exporter.auth.keys import read_json
from exporter.model.errors import KeysRefused, SourceBusy, SourceDown, SourceError

# A token or key that is expired, unknown or wrong, whatever the status (ModelArts API reference, Error Codes: 403 and
# 500 too; API Gateway, Error Codes; Alibaba Cloud, public error codes: 400 and 404).
_SPENT = frozenset({
    "APIGW.0301", "APIGW.0307", "APIG.0301", "APIG.0307", "APIG.1002",
    "ModelArts.0201", "ModelArts.0202", "ModelArts.0203", "ModelArts.0206", "ModelArts.2784", "ModelArts.3801",
    "ModelArts.4127", "ModelArts.4201", "ModelArts.5001", "ModelArts.5002", "ModelArts.6620",
    "SecurityTokenExpired", "MissingSecurityToken", "SignatureDoesNotMatch",
})  # fmt: skip
_SPENT_FAMILIES = ("InvalidSecurityToken", "InvalidAccessKeyId")
_CODE_FIELDS = ("error_code", "errorCode", "Code", "code")


def refuses_keys(status: int, body: bytes) -> bool:
    """Return whether an answer refuses the keys.

    That is a 401, or a code for expired or invalid keys with any other error status. Never raises.
    """
    if status == 401:
        return True
    return status >= 300 and is_spent(error_code(body))


def is_spent(code: str) -> bool:
    """Return whether a vendor's error code means an expired or invalid token or key."""
    return code in _SPENT or code.split(".")[0] in _SPENT_FAMILIES


def error_code(body: bytes) -> str:
    """Read the vendor's error code in any of its forms; "" where there is none.

    Never raises; not masked.
    """
    found = read_json(body)
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        found = found["error"]
    if not isinstance(found, dict):
        return ""
    return next((code for field in _CODE_FIELDS if isinstance(code := found.get(field), str) and code), "")


def login_error(place: str, status: int, body: bytes, cures: Mapping[int | str, str]) -> SourceError:
    """Return the error for a refused login at ``place``.

    ``cures`` say what is wrong and what to do, by error code or status; the cure under 0 serves all others.
    """
    code = error_code(body)
    if status == 429 or code.startswith("Throttling"):
        return SourceBusy(f"{place}: {status}, too many logins; wait, it is asked again")
    if status >= 500 or status == 408:
        return SourceDown(f"{place}: {status}, the service failed; wait, it is asked again")
    if status < 400:
        return SourceDown(f"{place}: {status}, which is no answer to a login; correct the endpoint")
    return KeysRefused(f"{place}: {status}, {cures.get(code) or cures.get(status) or cures[0]}")


def no_keys_error(place: str, status: int) -> SourceError:
    """Return the error for a good answer that holds no keys."""
    return SourceDown(f"{place}: {status}, but the answer holds no keys; correct the endpoint")
