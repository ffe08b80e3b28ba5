"""docs/reference/columns.md: what a detector can read of a request, and from which attributes it comes."""

from apisec_otel import semconv
from apisec_otel.plan.column import Column
from apisec_otel.plan.rows import ITEMS_ONLY, Declared, Item, columns
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


ITEMS = """\
A row of kind `Item` is one part of a request: a segment of its path, a query parameter, a field of a recorded body, a captured header or
cookie (not those with credentials), the user agent; at most 64 of a request. It has the columns above, of its request, and these:"""


def _rows(declared: list[Declared[Column]]) -> list[tuple[str, ...]]:
    return [(f"`{each.name}`", each.face.kind, each.doc, each.source, each.example and f"`{each.example}`") for each in declared]


def page() -> str:
    """The page."""
    head = ("column", "kind", "is", "from", "example")
    return markdown.page(
        "Columns of a request",
        INTRO,
        markdown.table(head, _rows(columns())),
        "## Columns of an item",
        ITEMS,
        markdown.table(head, _rows([each for each in columns(Item) if each.name in ITEMS_ONLY])),
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
