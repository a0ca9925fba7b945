"""Who may ask: this machine's own programs and the pages of this service, no page of somebody else."""

from __future__ import annotations

from fastapi import HTTPException, Request

_OURS = {"127.0.0.1", "localhost", "::1"}
_SAFE = {"GET", "HEAD", "OPTIONS"}


async def guard(request: Request) -> None:
    """Refuse a name that somebody else's DNS gave this address, and what a page of another origin sends.

    Raises:
        HTTPException: 403.
    """
    if request.url.hostname not in _OURS:
        raise HTTPException(403, "this service answers to 127.0.0.1 and localhost only")
    if request.method in _SAFE:
        return
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "none")
    ours = f"{request.url.scheme}://{request.url.netloc}"
    if origin not in {None, ours} or site not in {"none", "same-origin"}:
        raise HTTPException(403, "this form was sent by another page")
