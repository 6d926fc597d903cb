//! `opentelemetry.proto.trace.v1`.

use super::common::{INSTRUMENTATION_SCOPE, KEY_VALUE, RESOURCE};
use crate::otlp_json::schema::{Kind, Message, many, one};

pub(in crate::otlp_json) static REQUEST: Message = Message {
    name: "ExportTraceServiceRequest",
    level: false,
    fields: &[many("resourceSpans", 1, Kind::Message(&RESOURCE_SPANS))],
};

static RESOURCE_SPANS: Message = Message {
    name: "ResourceSpans",
    level: false,
    fields: &[
        one("resource", 1, Kind::Message(&RESOURCE)),
        many("scopeSpans", 2, Kind::Message(&SCOPE_SPANS)),
        one("schemaUrl", 3, Kind::String),
    ],
};

static SCOPE_SPANS: Message = Message {
    name: "ScopeSpans",
    level: false,
    fields: &[
        one("scope", 1, Kind::Message(&INSTRUMENTATION_SCOPE)),
        many("spans", 2, Kind::Message(&SPAN)),
        one("schemaUrl", 3, Kind::String),
    ],
};

static SPAN: Message = Message {
    name: "Span",
    level: false,
    fields: &[
        one("traceId", 1, Kind::Id),
        one("spanId", 2, Kind::Id),
        one("traceState", 3, Kind::String),
        one("parentSpanId", 4, Kind::Id),
        one("flags", 16, Kind::Fixed32),
        one("name", 5, Kind::String),
        one("kind", 6, SPAN_KIND),
        one("startTimeUnixNano", 7, Kind::Fixed64),
        one("endTimeUnixNano", 8, Kind::Fixed64),
        many("attributes", 9, Kind::Message(&KEY_VALUE)),
        one("droppedAttributesCount", 10, Kind::Uint32),
        many("events", 11, Kind::Message(&EVENT)),
        one("droppedEventsCount", 12, Kind::Uint32),
        many("links", 13, Kind::Message(&LINK)),
        one("droppedLinksCount", 14, Kind::Uint32),
        one("status", 15, Kind::Message(&STATUS)),
    ],
};

const SPAN_KIND: Kind = Kind::Enum(&[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
]);

static EVENT: Message = Message {
    name: "Event",
    level: false,
    fields: &[
        one("timeUnixNano", 1, Kind::Fixed64),
        one("name", 2, Kind::String),
        many("attributes", 3, Kind::Message(&KEY_VALUE)),
        one("droppedAttributesCount", 4, Kind::Uint32),
    ],
};

static LINK: Message = Message {
    name: "Link",
    level: false,
    fields: &[
        one("traceId", 1, Kind::Id),
        one("spanId", 2, Kind::Id),
        one("traceState", 3, Kind::String),
        many("attributes", 4, Kind::Message(&KEY_VALUE)),
        one("droppedAttributesCount", 5, Kind::Uint32),
        one("flags", 6, Kind::Fixed32),
    ],
};

static STATUS: Message =
    Message { name: "Status", level: false, fields: &[one("message", 2, Kind::String), one("code", 3, STATUS_CODE)] };

const STATUS_CODE: Kind = Kind::Enum(&["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"]);
