"""Mail and everything else, through apprise: an optional extra, imported when a channel asks for it.

Not for the Chinese group robots: apprise takes their refusals for success, see `robots`.
"""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from daemon.documents import Strict
from daemon.model import Reject, Retry
from daemon.outputs.notify.channel import Message

_ROBOTS = ("wecombot", "dingtalk", "feishu", "lark")


class AppriseConfig(Strict):
    """An apprise address, such as `mailtos://user:password@host?to=a@b.cn`; it holds secrets, so it is one."""

    secret: SecretStr


class Rest:
    """See `Channel`."""

    most_bytes = 1_000_000

    def __init__(self, config: AppriseConfig) -> None:
        """Take the address in.

        Raises:
            ValueError: apprise is not installed, or does not know such an address.
        """
        try:
            import apprise  # noqa: PLC0415  an extra, and 20 MB
        except ImportError as error:
            raise ValueError("apprise is not installed: pip install 'precomplaint[notify]'") from error
        address = config.secret.get_secret_value()
        scheme = address.partition("://")[0].lower()
        if scheme in _ROBOTS:
            raise ValueError(f"{scheme}: apprise takes its refusals for success; write wecom, dingtalk or feishu")
        self._peer: Any = apprise.Apprise()
        if not self._peer.add(address):
            raise ValueError(f"{scheme}: apprise does not know such an address; see its documentation")
        self._kind = apprise.NotifyType.WARNING
        self.address = f"apprise {scheme}"

    async def send(self, message: Message) -> None:
        """See `Channel`. Apprise tells yes or no, never why: a no is tried again."""
        try:
            sent = await self._peer.async_notify(body=message.text, title=message.title, notify_type=self._kind)
        except TypeError as error:  # what apprise raises for a message it cannot send at all
            raise Reject(f"{self.address}: {error}") from error
        if not sent:
            raise Retry(f"{self.address}: not taken; its log says why", ambiguous=True)
