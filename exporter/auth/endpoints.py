"""Default addresses of the vendors' APIs by platform and region.

Nothing is looked up.
"""

# The central endpoint serves these regions (vendor SDK alibabacloud-pai-dlc20201203 1.11.6, endpoint map).
# fmt: off
_DLC_CENTRAL = frozenset((
    "ap-northeast-2-pop", "ap-south-1", "ap-southeast-2", "cn-beijing-finance-1", "cn-beijing-finance-pop",
    "cn-beijing-gov-1", "cn-beijing-nu16-b01", "cn-chengdu", "cn-edge-1", "cn-fujian", "cn-haidian-cm12-c01",
    "cn-hangzhou-bj-b01", "cn-hangzhou-finance", "cn-hangzhou-internal-prod-1", "cn-hangzhou-internal-test-1",
    "cn-hangzhou-internal-test-2", "cn-hangzhou-internal-test-3", "cn-hangzhou-test-306", "cn-hongkong-finance-pop",
    "cn-huhehaote", "cn-huhehaote-nebula-1", "cn-north-2-gov-1", "cn-qingdao", "cn-qingdao-nebula",
    "cn-shanghai-et15-b01", "cn-shanghai-et2-b01", "cn-shanghai-inner", "cn-shanghai-internal-test-1",
    "cn-shenzhen-finance-1", "cn-shenzhen-inner", "cn-shenzhen-st4-d01", "cn-shenzhen-su18-b01", "cn-wuhan",
    "cn-yushanfang", "cn-zhangbei", "cn-zhangbei-na61-b01", "cn-zhangjiakou", "cn-zhangjiakou-na62-a01",
    "cn-zhengzhou-nebula-1", "eu-west-1", "eu-west-1-oxs", "me-east-1", "rus-west-1-pop",
))
# fmt: on

# Hosts under myhuaweicloud.cn (vendor SDK 3.1.219, region files of DWS and ModelArts).
_HUAWEI_CN = {
    "dws": frozenset(("cn-south-4", "cn-north-12", "cn-east-4", "tr-west-1", "ap-southeast-4")),
    "modelarts": frozenset(("ap-southeast-1",)),
}


def default_endpoints(platform: str, region: str) -> dict[str, str]:
    """Return the base URLs of a platform by endpoint key of the configuration."""
    return _huaweicloud(region) if platform == "huaweicloud" else _alibabacloud(region)


def _huaweicloud(region: str) -> dict[str, str]:
    hosts = {
        service: f"https://{service}.{region}.myhuaweicloud.{_domain(service, region)}"
        for service in ("modelarts", "dws", "iam", "sts")
    }
    return {**hosts, "metadata": "http://169.254.169.254"}


def _domain(service: str, region: str) -> str:
    if region == "eu-west-101":
        return "eu"
    return "cn" if region in _HUAWEI_CN.get(service, ()) else "com"


def _alibabacloud(region: str) -> dict[str, str]:
    dlc = "pai-dlc.aliyuncs.com" if region in _DLC_CENTRAL else f"pai-dlc.{region}.aliyuncs.com"
    return {
        "pai_dlc": f"https://{dlc}",
        "pai_eas": f"https://pai-eas.{region}.aliyuncs.com",  # vendor SDK alibabacloud-eas20210701 7.0.0, endpoint map
        "pai_dsw": f"https://pai-dsw.{region}.aliyuncs.com",
        "sts": f"https://sts.{region}.aliyuncs.com",
        "metadata": "http://100.100.100.200",
    }
