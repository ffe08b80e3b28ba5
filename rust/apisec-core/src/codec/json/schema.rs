//! The trace messages of OTLP, as JSON names them.

/// A message: its fields.
pub(super) type Message = &'static [Field];

/// One field of a message.
pub(super) struct Field {
    /// lowerCamelCase.
    pub name: &'static str,
    /// As in the .proto files.
    pub snake: &'static str,
    pub number: u32,
    pub kind: Kind,
}

/// How a field is written in JSON and in protobuf.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Message(&'static Message),
    Messages(&'static Message),
    Text,
    Texts,
    /// Hexadecimal digits of so many bytes, or none.
    Id(usize),
    Base64,
    Bool,
    /// Names without the common prefix they share in the .proto files are not taken.
    Enum(&'static [&'static str]),
    Signed,
    Unsigned32,
    Fixed32,
    Fixed64,
    Double,
}

const fn field(number: u32, name: &'static str, snake: &'static str, kind: Kind) -> Field {
    Field {
        name,
        snake,
        number,
        kind,
    }
}

use Kind::{
    Base64, Bool, Double, Enum, Fixed32, Fixed64, Id, Messages, Signed, Text, Texts, Unsigned32,
};

/// `ExportTraceServiceRequest`.
pub(super) static REQUEST: Message = &[field(
    1,
    "resourceSpans",
    "resource_spans",
    Messages(&RESOURCE_SPANS),
)];

static RESOURCE_SPANS: Message = &[
    field(1, "resource", "resource", Kind::Message(&RESOURCE)),
    field(2, "scopeSpans", "scope_spans", Messages(&SCOPE_SPANS)),
    field(3, "schemaUrl", "schema_url", Text),
];

static RESOURCE: Message = &[
    field(1, "attributes", "attributes", Messages(&KEY_VALUE)),
    field(
        2,
        "droppedAttributesCount",
        "dropped_attributes_count",
        Unsigned32,
    ),
    field(3, "entityRefs", "entity_refs", Messages(&ENTITY_REF)),
];

static ENTITY_REF: Message = &[
    field(1, "schemaUrl", "schema_url", Text),
    field(2, "type", "type", Text),
    field(3, "idKeys", "id_keys", Texts),
    field(4, "descriptionKeys", "description_keys", Texts),
];

static SCOPE_SPANS: Message = &[
    field(1, "scope", "scope", Kind::Message(&SCOPE)),
    field(2, "spans", "spans", Messages(&SPAN)),
    field(3, "schemaUrl", "schema_url", Text),
];

static SCOPE: Message = &[
    field(1, "name", "name", Text),
    field(2, "version", "version", Text),
    field(3, "attributes", "attributes", Messages(&KEY_VALUE)),
    field(
        4,
        "droppedAttributesCount",
        "dropped_attributes_count",
        Unsigned32,
    ),
];

static SPAN: Message = &[
    field(1, "traceId", "trace_id", Id(16)),
    field(2, "spanId", "span_id", Id(8)),
    field(3, "traceState", "trace_state", Text),
    field(4, "parentSpanId", "parent_span_id", Id(8)),
    field(5, "name", "name", Text),
    field(6, "kind", "kind", Enum(KINDS)),
    field(7, "startTimeUnixNano", "start_time_unix_nano", Fixed64),
    field(8, "endTimeUnixNano", "end_time_unix_nano", Fixed64),
    field(9, "attributes", "attributes", Messages(&KEY_VALUE)),
    field(
        10,
        "droppedAttributesCount",
        "dropped_attributes_count",
        Unsigned32,
    ),
    field(11, "events", "events", Messages(&EVENT)),
    field(12, "droppedEventsCount", "dropped_events_count", Unsigned32),
    field(13, "links", "links", Messages(&LINK)),
    field(14, "droppedLinksCount", "dropped_links_count", Unsigned32),
    field(15, "status", "status", Kind::Message(&STATUS)),
    field(16, "flags", "flags", Fixed32),
];

const KINDS: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

static EVENT: Message = &[
    field(1, "timeUnixNano", "time_unix_nano", Fixed64),
    field(2, "name", "name", Text),
    field(3, "attributes", "attributes", Messages(&KEY_VALUE)),
    field(
        4,
        "droppedAttributesCount",
        "dropped_attributes_count",
        Unsigned32,
    ),
];

static LINK: Message = &[
    field(1, "traceId", "trace_id", Id(16)),
    field(2, "spanId", "span_id", Id(8)),
    field(3, "traceState", "trace_state", Text),
    field(4, "attributes", "attributes", Messages(&KEY_VALUE)),
    field(
        5,
        "droppedAttributesCount",
        "dropped_attributes_count",
        Unsigned32,
    ),
    field(6, "flags", "flags", Fixed32),
];

static STATUS: Message = &[
    field(2, "message", "message", Text),
    field(
        3,
        "code",
        "code",
        Enum(&["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"]),
    ),
];

static KEY_VALUE: Message = &[
    field(1, "key", "key", Text),
    field(2, "value", "value", Kind::Message(&ANY_VALUE)),
];

static ANY_VALUE: Message = &[
    field(1, "stringValue", "string_value", Text),
    field(2, "boolValue", "bool_value", Bool),
    field(3, "intValue", "int_value", Signed),
    field(4, "doubleValue", "double_value", Double),
    field(5, "arrayValue", "array_value", Kind::Message(&ARRAY)),
    field(6, "kvlistValue", "kvlist_value", Kind::Message(&MAP)),
    field(7, "bytesValue", "bytes_value", Base64),
];

static ARRAY: Message = &[field(1, "values", "values", Messages(&ANY_VALUE))];
static MAP: Message = &[field(1, "values", "values", Messages(&KEY_VALUE))];
