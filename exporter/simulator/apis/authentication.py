"""Authentication: checks signatures, tokens, dates and projects as the vendors' gateways do."""

from exporter.simulator.apis import signatures
from exporter.simulator.http import Call, alibaba_error, huawei_error
from exporter.simulator.state.accounts import PROJECT_ID, Key
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.times import SECOND, read_basic, read_iso

_NONCES = 100_000


def anyone(cloud: Cloud, call: Call, now: int) -> None:
    """Accept every call: token endpoints and metadata."""


def loopback(cloud: Cloud, call: Call, now: int) -> None:
    """Accept calls from this machine only. Raises Refused."""
    if call.client not in ("127.0.0.1", "::1", ""):
        raise huawei_error(403, "simulator", "The control paths answer to this machine only.")


def huawei(cloud: Cloud, call: Call, now: int) -> None:
    """Check an IAM token, or an access key and signature; then the project. Raises Refused."""
    token = call.headers.get("x-auth-token")
    if token is not None:
        _token(cloud, token, now)
    else:
        _signed_by_huawei_key(cloud, call, now)
    project = call.params.get("project_id", PROJECT_ID)
    if project != PROJECT_ID or call.headers.get("x-project-id", project) != project:
        raise huawei_error(403, "APIGW.0302", "The IAM user is not authorized to access the project.")


def _token(cloud: Cloud, token: str, now: int) -> None:
    expires = cloud.keys.tokens.get(token)
    if expires is None:
        raise _incorrect("decrypt token fail")
    if expires <= now:
        raise _incorrect("token expires")


def _signed_by_huawei_key(cloud: Cloud, call: Call, now: int) -> None:
    signed = signatures.read(call.headers.get("authorization", ""), "SDK-HMAC-SHA256")
    if signed is None:
        raise _incorrect("auth header not found or not understood")
    key = cloud.keys.keys.get(signed.access)
    if key is None or key.platform != "huaweicloud":
        raise _incorrect(f"ak {signed.access} not exist")
    if "x-sdk-date" not in signed.headers or _old(cloud, call.headers.get("x-sdk-date", ""), now):
        raise _incorrect("x-sdk-date is missing, not signed, or more than 15 minutes away")
    if not signatures.huawei(call, signed, key.secret):
        raise _incorrect("verify aksk signature fail")
    if key.token and (call.headers.get("x-security-token") != key.token or "x-security-token" not in signed.headers):
        raise _incorrect("security token is missing, not signed, or of another key")
    if _ended(key, now):
        raise _incorrect("security token expires")


def _incorrect(detail: str) -> Exception:
    return huawei_error(401, "APIGW.0301", f"Incorrect IAM authentication information: {detail}")


def alibaba(cloud: Cloud, call: Call, now: int, *, version: str) -> None:
    """Check an access key, its signature (version 3), that the nonce is new, and the API's version. Raises Refused."""
    signed = signatures.read(call.headers.get("authorization", ""), "ACS3-HMAC-SHA256")
    if signed is None:
        raise alibaba_error(400, "MissingParameter", "The request has no ACS3-HMAC-SHA256 Authorization header.")
    key = cloud.keys.keys.get(signed.access)
    if key is None or key.platform != "alibabacloud":
        raise alibaba_error(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    _alibaba_headers(call, signed, version)
    if _old(cloud, call.headers["x-acs-date"], now):
        raise alibaba_error(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    if not signatures.alibaba(call, signed, key.secret):
        raise alibaba_error(400, "SignatureDoesNotMatch", "Specified signature does not match our calculation.")
    _security_token(call, key, now)
    _nonce(cloud, call.headers["x-acs-signature-nonce"])


def _alibaba_headers(call: Call, signed: signatures.Signed, version: str) -> None:
    needed = ("x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")
    missing = next((name for name in needed if name not in call.headers), None)
    if missing:
        raise alibaba_error(400, "MissingParameter", f"The header {missing} is mandatory for this action.")
    must = {"host", *(name for name in call.headers if name.startswith("x-acs-"))}
    if must.difference(signed.headers):
        raise alibaba_error(400, "IncompleteSignature", "host and every x-acs header must be signed.")
    if call.headers["x-acs-version"] != version:
        raise alibaba_error(400, "InvalidVersion", "Specified parameter Version is not valid.")


def _security_token(call: Call, key: Key, now: int) -> None:
    token = call.headers.get("x-acs-security-token", "")
    if key.token and not token:
        raise alibaba_error(400, "MissingSecurityToken", "SecurityToken is required for this action.")
    if token != key.token or (token and call.headers.get("x-acs-accesskey-id") != key.access):
        raise alibaba_error(
            400, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey."
        )
    if _ended(key, now):
        raise alibaba_error(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")


def _nonce(cloud: Cloud, nonce: str) -> None:
    if nonce in cloud.keys.nonces:
        raise alibaba_error(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
    if len(cloud.keys.nonces) >= _NONCES:
        cloud.keys.nonces.clear()
    cloud.keys.nonces.add(nonce)


def _ended(key: Key, now: int) -> bool:
    return key.expires is not None and key.expires <= now


def _old(cloud: Cloud, date: str, now: int) -> bool:
    window = cloud.behaviour.signature_window
    try:
        at = read_iso(date) if "-" in date else read_basic(date)
    except ValueError:
        return True
    return window is not None and abs(now - at) > window * SECOND
