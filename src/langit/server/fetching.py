"""Calling addresses that users name (references, webhooks), and no private address unless the owner allows it.

A name is resolved once, every address it has is judged, and the connection goes to the very address that was judged; so
neither a redirect nor a name that changes between judging and calling leads inside.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from langit.types import InputError

SECONDS = 20.0
REDIRECTS = 3
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Outside:
    """The addresses that may be called: all public ones, and those in `allow` (names, addresses, networks)."""

    allow: tuple[str, ...] = ()

    def get(self, url: str, most_bytes: int) -> Answer:
        """Follow at most three redirects. `InputError` in a sentence for whatever does not go well."""
        for _ in range(REDIRECTS + 1):
            answer = self.call("GET", url, {"accept": "*/*", "user-agent": "langit"}, b"", most_bytes)
            if answer.status not in (301, 302, 303, 307, 308):
                break
            url = urljoin(url, answer.headers.get("location", ""))
        if answer.status != 200:
            raise InputError(f"{_host(url)} answered {answer.status}; give an address that leads to the file itself.")
        return answer

    def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, most_bytes: int) -> Answer:
        """One request, without following redirects. `InputError` where it may not or cannot be sent."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise InputError("An address begins with https:// or http://, names a host, and holds no password.")
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise InputError("The address has an impossible port; ports go from 1 to 65535.") from error
        address = self._judged(parts.hostname, port)
        deadline = time.monotonic() + SECONDS
        connection = _Pinned(parts.hostname, port, address, parts.scheme == "https")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, target, body or None, dict(headers))
            response = connection.getresponse()
            content = _read(response, most_bytes, deadline)
            return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InputError(f"{parts.hostname} could not be reached ({type(error).__name__}).") from error
        finally:
            connection.close()

    def check(self, url: str) -> None:
        """`InputError` when an address may not be called."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError("An address begins with https:// or http:// and names a host.")
        self._judged(parts.hostname, 443)

    def _judged(self, host: str, port: int) -> str:
        try:
            found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError) as error:
            raise InputError(f"There is no host {host[:80]!r}.") from error
        for text in found:
            address = ipaddress.ip_address(str(text).split("%")[0])
            if not self._allowed(host, address):
                raise InputError(
                    f"{host[:80]} is a private address or this machine; the owner of this server can allow it in langit.toml, "
                    "[network] allow."
                )
        return str(min(found, key=str))

    def _allowed(self, host: str, address: Address) -> bool:
        for entry in self.allow:
            if entry.lower() == host.lower():
                return True
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
        return all(one.is_global and not one.is_multicast for one in _meant(address))


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was judged, whatever the name resolves to now."""

    def __init__(self, host: str, port: int, address: str, secure: bool) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self.default_port = 443 if secure else 80
        self._address, self._secure = address, secure

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), SECONDS)
        self.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=self.host) if self._secure else plain
        )


def _meant(address: Address) -> list[Address]:
    """The address, and the one inside it when it is only a way to write or reach an IPv4 address."""
    meant: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return [address.ipv4_mapped]
        if address.sixtofour:
            meant.append(address.sixtofour)
        if address.teredo:
            meant += address.teredo
        if address in _NAT64:
            meant.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return meant


def _read(response: http.client.HTTPResponse, most_bytes: int, deadline: float) -> bytes:
    chunks, total = [], 0
    while chunk := response.read1(65536):
        total += len(chunk)
        if total > most_bytes:
            raise InputError(f"What the address leads to is larger than {most_bytes} bytes.")
        if time.monotonic() > deadline:
            raise InputError(f"The address did not give its file within {SECONDS:g} seconds.")
        chunks.append(chunk)
    return b"".join(chunks)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "the address")[:80]
