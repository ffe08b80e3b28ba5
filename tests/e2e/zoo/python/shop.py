"""What every Python shop answers: the routes differ by framework, the answers do not."""

TOKENS = {"Bearer token-of-ann": "ann", "Bearer token-of-bob": "bob"}


def order(number: int) -> dict[str, object]:
    """One order."""
    return {"id": number, "total": number % 97}


def user(name: str) -> dict[str, object]:
    """One user."""
    return {"name": name}


def search(asked: str) -> dict[str, object]:
    """What is found."""
    return {"q": asked, "found": []}


def login(body: dict[str, str]) -> tuple[dict[str, object], int]:
    """The answer and its status: 401 unless the password is `of-` and the name."""
    good = body.get("password") == f"of-{body.get('name')}"
    return ({"token": f"token-of-{body['name']}"}, 200) if good else ({"error": "wrong password"}, 401)


def me(authorization: str | None) -> tuple[dict[str, object], int]:
    """Who is asking, and the status."""
    name = TOKENS.get(authorization or "")
    return ({"name": name}, 200) if name else ({"error": "log in first"}, 401)
