"""What the vendors' documents leave open or changed over time, each as a switch; holds no state of its own."""

from typing import Literal

import msgspec


class Behaviour(msgspec.Struct, forbid_unknown_fields=True):
    """How the clouds behave from now on. Times are seconds.

    ``training_offset``: vendor SDK 3.1.206 says record, 3.1.208 and later page. ``training_total``: documents say text,
    the example and the SDK a number. ``dws_good_code``: good answers carry ``error_code`` "DWS.0000". ``dws_order``,
    ``pai_keeps`` (which end of a full answer is kept) and ``pai_zone_hours`` (zone of the event texts, read when an
    event is added) are documented nowhere. ``metadata``: v1 has no token call. ``agency``: whether the instance has
    one. ``signature_window``: how old a signed date may be; ``None`` accepts any.
    """

    training_offset: Literal["page", "record"] = "page"
    training_total: Literal["number", "text"] = "number"
    dws_good_code: bool = False
    dws_order: Literal["newest", "oldest"] = "newest"
    pai_keeps: Literal["newest", "oldest"] = "newest"
    pai_zone_hours: float = 0.0
    metadata: Literal["v1", "v2"] = "v2"
    agency: bool = True
    token_lifetime: float = 86_400.0
    key_lifetime: float = 3_600.0
    signature_window: float | None = 900.0
