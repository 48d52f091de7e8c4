"""Every way in which a target fails while it runs passes without a restart, and what happened meanwhile counts exactly once."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from exporter.simulator.state.accounts import ALIBABA_ROLE, OIDC_TOKEN
from tests.support.processes import DIRECT, Clouds, Exporter, closing, configured, total, until

Target = dict[str, Any]
URN = "iam::fedcba9876543210fedcba9876543210"


class Trouble(NamedTuple):
    """What befalls the one source of a target: the cause, and words of its line that name the cure."""

    source: str
    cause: str
    says: str


TROUBLES = {
    "hangs": Trouble("modelarts_pool", "down", "no answer in time; check network, proxy and endpoint"),
    "not-allowed": Trouble("modelarts_service", "denied", "grant modelarts:service:list to these credentials"),
    "keys-expire": Trouble("dws", "denied", "check that they exist, are enabled and have not expired"),
    "other-keys-expire": Trouble("pai_dlc", "denied", "check that they exist, are enabled and have not expired"),
    "token-expires": Trouble("modelarts_training", "denied", "the token was refused; correct credentials.oidc"),
}
FAULTS = (
    {"kind": "slow", "where": "modelarts_pool", "seconds": 3600.0},
    {"kind": "denied", "where": "modelarts_service"},
)
EVENTS = (
    {"source": "modelarts_pool", "resource": "pool-1", "text": "Pool status changed, from Running to Abnormal."},
    {"source": "modelarts_service", "resource": "service-1", "text": "start to deploy service"},
    {"source": "dws", "resource": "cluster-1", "text": "createBackup"},
    {"source": "pai_dlc", "resource": "dlc-1", "text": "Created pod: x"},
    {"source": "modelarts_training", "resource": "job-1", "text": "Training job is running."},
)


class Login:
    """Temporary keys of both clouds and an identity token, in the files that the targets name."""

    def __init__(self, clouds: Clouds, folder: Path) -> None:
        self._clouds, self._folder = clouds, folder
        self._spent = self._given(0.001)
        self._good = [self._given(3600.0) for _ in range(2)]

    def renew(self) -> None:
        """Keys and token are good, and the keys are others than before."""
        self._write(self._good.pop(), OIDC_TOKEN)

    def expire(self) -> None:
        """Keys and token are out of date."""
        self._write(self._spent, "EXAMPLE.old.token")

    def files(self, *names: str) -> dict[str, str]:
        """The files as ``credentials`` name them."""
        return {f"{name}_file": str(self._folder / name) for name in names}

    def _write(self, keys: dict[str, str], token: str) -> None:
        for name, text in {**keys, "token": token}.items():
            (self._folder / name).write_text(text)

    def _given(self, lifetime: float) -> dict[str, str]:
        """What the metadata services of both clouds give out to a machine."""
        self._clouds.behave(metadata="v1", key_lifetime=lifetime)
        base = self._clouds.url
        huawei = httpx2.get(f"{base}/openstack/latest/securitykey", **DIRECT).json()["credential"]
        path = f"{base}/latest/meta-data/ram/security-credentials/{ALIBABA_ROLE}"
        alibaba = httpx2.get(path, **DIRECT).json()
        return {
            "access_key": huawei["access"],
            "secret_key": huawei["secret"],
            "huawei_token": huawei["securitytoken"],
            "access_key_id": alibaba["AccessKeyId"],
            "access_key_secret": alibaba["AccessKeySecret"],
            "alibaba_token": alibaba["SecurityToken"],
        }


def targets(config: dict[str, Any], login: Login) -> list[Target]:
    """One a trouble, with one source."""
    huawei, alibaba = config["targets"]
    credentials = {
        "keys-expire": {
            **login.files("access_key", "secret_key"),
            "security_token_file": login.files("huawei_token")["huawei_token_file"],
        },
        "other-keys-expire": {
            **login.files("access_key_id", "access_key_secret"),
            "security_token_file": login.files("alibaba_token")["alibaba_token_file"],
        },
        "token-expires": {
            "oidc": {"provider_urn": f"{URN}:provider:x", "agency_urn": f"{URN}:agency:x", **login.files("token")}
        },
    }
    made = []
    for name, trouble in TROUBLES.items():
        plain = alibaba if trouble.source == "pai_dlc" else huawei
        own = {"name": name, "timeout": "1s", "sources": {trouble.source: plain["sources"][trouble.source]}}
        made.append({**plain, **own, "credentials": credentials.get(name, plain["credentials"])})
    return made


def up(exporter: Exporter, name: str) -> float:
    return exporter.total("platform_exporter_target_up", target=name)


def counted(exporter: Exporter) -> dict[str, float]:
    """The events of each target."""
    page = exporter.metrics()
    return {name: total(page, "platform_events_total", target=name) for name in TROUBLES}


def test_a_failing_target_says_how_to_mend_it_and_once_mended_missed_nothing(tmp_path: Path) -> None:
    with closing(Clouds(tmp_path)) as clouds:
        clouds.past(*EVENTS)
        login = Login(clouds, tmp_path)
        login.renew()
        clouds.behave(key_lifetime=2.0)  # of the keys that a token gets
        config = configured(clouds, tmp_path)
        config["targets"] = targets(config, login)
        with closing(Exporter(tmp_path, config)) as exporter:
            until(lambda: all(up(exporter, name) for name in TROUBLES), "every target is read")
            clouds.add(*EVENTS)
            until(lambda: set(counted(exporter).values()) == {1.0}, "one event of each target")

            clouds.trouble(*FAULTS)
            login.expire()
            for name, trouble in TROUBLES.items():
                until(lambda name=name: not up(exporter, name), f"{name} is down")  # type: ignore[misc]
                failures = "platform_exporter_poll_failures_total"
                assert exporter.total(failures, target=name, cause=trouble.cause) >= 1
                line = rf'level=warning .*msg=".*{re.escape(trouble.says)}.*" target={name} .*cause={trouble.cause} '
                until(lambda line=line: re.search(line, exporter.said()), line)  # type: ignore[misc]
            clouds.add(*EVENTS, *EVENTS)
            assert set(counted(exporter).values()) == {1.0}, "nobody can read them"

            clouds.trouble()
            login.renew()
            for name in TROUBLES:
                until(lambda name=name: up(exporter, name), f"{name} is up again")  # type: ignore[misc]
                words = rf'msg="reads get through again" target={name} '
                until(lambda words=words: re.search(words, exporter.said()), words)  # type: ignore[misc]
            until(lambda: set(counted(exporter).values()) == {3.0}, "what happened meanwhile")
            exporter.polled(1)
            assert set(counted(exporter).values()) == {3.0}
