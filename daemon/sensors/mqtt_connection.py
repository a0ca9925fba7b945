"""aiomqtt's client, with a socket that we watch ourselves: how a connection is made and closed.

Connecting runs in a thread, as in aiomqtt; everything else in the event loop. The private parts it leans on are named
in mqtt_link.py.
"""
# ruff: noqa: SLF001  see above

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from abc import abstractmethod
from typing import Any

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from typing_extensions import override

from daemon.model import ConfigError, SourceDown
from daemon.sensors.mqtt_config import MqttConfig, why_unreachable
from daemon.sensors.mqtt_socket import BufferedSocket
from daemon.supervisor import heed_cancellation


class Connection(aiomqtt.Client):
    """One connection: `join` once, `_drop` at the end."""

    def __init__(self, config: MqttConfig, *, client_id: str, will: aiomqtt.Will | None) -> None:
        """Without a will it is a visit: the broker keeps nothing of us when we are gone."""
        v5 = config.version == "5"
        visit = will is None
        properties = None
        if v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0 if visit else int(config.session_expiry.total_seconds())
            properties.ReceiveMaximum = config.receive_maximum
        super().__init__(
            *config.address,
            identifier=client_id,
            username=config.username,
            password=config.password.get_secret_value() if config.password else None,
            protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
            clean_start=visit if v5 else paho.MQTT_CLEAN_START_FIRST_ONLY,  # the latter means nothing in 3.1.1
            clean_session=None if v5 else visit,
            properties=properties,
            keepalive=max(1, int(config.keepalive.total_seconds())),
            timeout=config.connect_timeout.total_seconds(),
            will=will,
        )
        self._client.manual_ack_set(True)
        self._client.disable_logger()  # it logs every loss at ERROR, each time; we do once
        self._client.connect_timeout = config.connect_timeout.total_seconds()
        self._config = config
        self._thread = threading.get_ident()
        self._socket: BufferedSocket | None = None
        self._abandoned = False
        #: A TLS handshake under way in the connecting thread.
        self._securing: ssl.SSLSocket | None = None
        self._holding = False
        #: Why connecting failed, as the operating system or TLS said it.
        self.cause: Exception | None = None

    @abstractmethod
    def _readable(self) -> None:
        """The socket has something for us."""

    @override
    def _client_connect(self) -> None:
        try:
            super()._client_connect()
        except OSError as error:
            self.cause = error
            raise
        except UnicodeError as error:
            raise OSError(f"{self._config.host!r} is no host name") from error

    def _wrap(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """Do what paho does, and close the socket when it fails."""
        context = self._client._ssl_context
        assert context is not None  # noqa: S101  set just before
        secured = context.wrap_socket(tcp_sock, server_hostname=self._config.host, do_handshake_on_connect=False)
        self._securing = secured
        try:
            secured.settimeout(self._client.connect_timeout)
            secured.do_handshake()
        except ConnectionError as error:
            secured.close()
            raise ssl.SSLError(f"connection lost in the handshake: {error.strerror}") from error
        except BaseException:
            secured.close()
            raise
        finally:
            self._securing = None
        return secured

    async def join(self) -> None:
        """Connect.

        Raises:
            SourceDown: it did not work out: where, why, and what to do.
        """
        try:
            if self._config.tls is not None:
                self._client.tls_set_context(self._config.tls.context())
                self._client._ssl_wrap_socket = self._wrap  # type: ignore[method-assign]
            await super().__aenter__()
            heed_cancellation()
        except aiomqtt.MqttError as error:
            self._drop()
            raise SourceDown(why_unreachable(self._config, error, self.cause)) from error
        except ConfigError as error:
            raise SourceDown(f"{self._config.place}: {error}") from error
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        self._abandoned = True  # a connection that the thread still makes is closed at once
        if (securing := self._securing) is not None:
            with contextlib.suppress(OSError):
                securing.shutdown(socket.SHUT_RDWR)  # ends its handshake
        self._client._sock_close()

    @override
    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        # in the connecting thread
        if self._abandoned:
            sock.close()
            raise ConnectionAbortedError("nobody waits for this connection any more")
        self._socket = BufferedSocket(sock)
        client._sock = self._socket  # type: ignore[assignment]
        self._loop.call_soon_threadsafe(self._watch)

    @override
    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock.fileno())

    @override
    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._watch_writing)
        else:
            self._loop.call_soon_threadsafe(self._watch_writing)

    @override
    def _on_socket_unregister_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock.fileno())

    def _watch(self) -> None:
        if self._socket is not None and self._client._sock is not None and not self._holding:
            self._loop.add_reader(self._socket.fileno(), self._readable)

    def _watch_writing(self) -> None:
        # asked again here, for what was to be written may be gone by now, and the socket with it
        if self._socket is not None and self._client._sock is not None and self._client.want_write():
            self._loop.add_writer(self._socket.fileno(), self._writable)

    def _writable(self) -> None:
        self._client.loop_write()
