//! `opentelemetry.proto.logs.v1`.

use super::common::{ANY_VALUE, INSTRUMENTATION_SCOPE, KEY_VALUE, RESOURCE};
use crate::otlp_json::schema::{Kind, Message, many, one};

pub(in crate::otlp_json) static REQUEST: Message = Message {
    name: "ExportLogsServiceRequest",
    level: false,
    fields: &[many("resourceLogs", 1, Kind::Message(&RESOURCE_LOGS))],
};

static RESOURCE_LOGS: Message = Message {
    name: "ResourceLogs",
    level: false,
    fields: &[
        one("resource", 1, Kind::Message(&RESOURCE)),
        many("scopeLogs", 2, Kind::Message(&SCOPE_LOGS)),
        one("schemaUrl", 3, Kind::String),
    ],
};

static SCOPE_LOGS: Message = Message {
    name: "ScopeLogs",
    level: false,
    fields: &[
        one("scope", 1, Kind::Message(&INSTRUMENTATION_SCOPE)),
        many("logRecords", 2, Kind::Message(&LOG_RECORD)),
        one("schemaUrl", 3, Kind::String),
    ],
};

static LOG_RECORD: Message = Message {
    name: "LogRecord",
    level: false,
    fields: &[
        one("timeUnixNano", 1, Kind::Fixed64),
        one("observedTimeUnixNano", 11, Kind::Fixed64),
        one("severityNumber", 2, SEVERITY_NUMBER),
        one("severityText", 3, Kind::String),
        one("body", 5, Kind::Message(&ANY_VALUE)),
        many("attributes", 6, Kind::Message(&KEY_VALUE)),
        one("droppedAttributesCount", 7, Kind::Uint32),
        one("flags", 8, Kind::Fixed32),
        one("traceId", 9, Kind::Id),
        one("spanId", 10, Kind::Id),
        one("eventName", 12, Kind::String),
    ],
};

const SEVERITY_NUMBER: Kind = Kind::Enum(&[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
]);
