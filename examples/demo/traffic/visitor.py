"""Somebody with an address and a browser who sends requests and can sign in."""

from typing import Any

import httpx
from shop.store import password_of


class Visitor:
    """One caller; the shop sees `address` as if a proxy had passed it on."""

    sent = 0
    """Requests sent by all visitors of this process."""

    def __init__(self, http: httpx.AsyncClient, address: str, agent: str) -> None:
        self._http = http
        self._headers = {"X-Forwarded-For": address, "User-Agent": agent}
        self.user_id = 0

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Sends one request."""
        Visitor.sent += 1
        return await self._http.request(method, path, headers=self._headers, **more)

    async def get(self, path: str, **query: str | int) -> httpx.Response:
        """Sends a GET."""
        return await self.request("GET", path, params=query)

    async def sign_in(self, name: str, password: str = "") -> bool:
        """Signs in, with the right password unless another is given; answers whether it worked."""
        reply = await self.request("POST", "/login", json={"name": name, "password": password or password_of(name)})
        if reply.status_code != 200:
            return False
        self._headers["Authorization"] = f"Bearer {reply.json()['token']}"
        self.user_id = reply.json()["user_id"]
        return True

    async def sign_out(self) -> None:
        """Signs out."""
        await self.request("POST", "/logout")
        self._headers.pop("Authorization", None)
