"""docs/reference/columns.md: what a detector can read of a request, and from which attributes it comes."""

from apisec_otel import semconv
from apisec_otel.plan.rows import columns
from docs.pages import markdown

INTRO = """\
A detector's `row` has these columns; `apisec-otel components --columns` prints them too. A kind `id` can be compared and be a
key of state, a `number` calculated with, a `logic` joined with `&`, `|` and `~`. Any of them may be missing in a row: a
comparison with what is missing is unknown, and unknown never raises."""

ATTRIBUTES = """\
Only spans of kind SERVER are looked at. The first source that is present wins, whatever the order on the span; those without a
mark are attributes of the span, `(resource)` ones of its resource. Where only a part of the value is read, the part is named."""

MISSING = """\
These values, and values of asterisks only, count as missing: """

SECRETS = """\
Overwritten with `*`, in their length, on every span that leaves (as are headers named in `sessions::principal` and
`sessions::session`):"""


def page() -> str:
    """The page."""
    head = ("column", "kind", "is", "from", "example")
    known = ((f"`{each.name}`", each.face.kind, each.doc, each.source, each.example and f"`{each.example}`") for each in columns())
    return markdown.page(
        "Columns of a request",
        INTRO,
        markdown.table(head, known),
        "## Attributes that are read",
        ATTRIBUTES,
        markdown.table(("what", "sources, in order"), ((f"`{name}`", _sources(found)) for name, found in _vocabulary().items() if found)),
        MISSING + ", ".join(f"`{value}`" if value else "nothing" for value in semconv.MISSING) + ".",
        "## Secrets",
        SECRETS,
        f"- headers: {markdown.ticked(semconv.SECRET_HEADERS)}; more by `requests::secret_headers`\n"
        f"- query values: {markdown.ticked(semconv.SECRET_QUERIES)}; more by `requests::secret_queries`\n"
        "- whole attributes: none by default; by `requests::secret_attributes`",
    )


def _vocabulary() -> dict[str, tuple[semconv.Source, ...]]:
    from apisec_otel.processors.sessions import Sessions

    return semconv.columns(semconv.VocabularySettings(**Sessions().vocabulary()))


def _sources(found: tuple[semconv.Source, ...]) -> str:
    return ", ".join(f"`{each.key}`{' (resource)' if each.at == 'resource' else ''}{_part(each.read)}" for each in found)


def _part(read: str) -> str:
    word, _, rest = read.partition(".")
    if word in ("target", "url") and rest:
        return f" (its {rest})"
    return {"host": " (less its port)", "last": " (the last)", "grpc_status": " (as HTTP status)"}.get(read, "")
