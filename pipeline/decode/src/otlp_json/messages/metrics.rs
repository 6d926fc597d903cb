//! `opentelemetry.proto.metrics.v1`.

use super::common::{INSTRUMENTATION_SCOPE, KEY_VALUE, RESOURCE};
use crate::otlp_json::schema::{Kind, Message, either, many, one};

pub(in crate::otlp_json) static REQUEST: Message = Message {
    name: "ExportMetricsServiceRequest",
    level: false,
    fields: &[many("resourceMetrics", 1, Kind::Message(&RESOURCE_METRICS))],
};

static RESOURCE_METRICS: Message = Message {
    name: "ResourceMetrics",
    level: false,
    fields: &[
        one("resource", 1, Kind::Message(&RESOURCE)),
        many("scopeMetrics", 2, Kind::Message(&SCOPE_METRICS)),
        one("schemaUrl", 3, Kind::String),
    ],
};

static SCOPE_METRICS: Message = Message {
    name: "ScopeMetrics",
    level: false,
    fields: &[
        one("scope", 1, Kind::Message(&INSTRUMENTATION_SCOPE)),
        many("metrics", 2, Kind::Message(&METRIC)),
        one("schemaUrl", 3, Kind::String),
    ],
};

static METRIC: Message = Message {
    name: "Metric",
    level: false,
    fields: &[
        one("name", 1, Kind::String),
        one("description", 2, Kind::String),
        one("unit", 3, Kind::String),
        either("gauge", 5, Kind::Message(&GAUGE)),
        either("sum", 7, Kind::Message(&SUM)),
        either("histogram", 9, Kind::Message(&HISTOGRAM)),
        either("exponentialHistogram", 10, Kind::Message(&EXPONENTIAL_HISTOGRAM)),
        either("summary", 11, Kind::Message(&SUMMARY)),
        many("metadata", 12, Kind::Message(&KEY_VALUE)),
    ],
};

const TEMPORALITY: Kind = Kind::Enum(&[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
]);

static GAUGE: Message =
    Message { name: "Gauge", level: false, fields: &[many("dataPoints", 1, Kind::Message(&NUMBER_DATA_POINT))] };

static SUM: Message = Message {
    name: "Sum",
    level: false,
    fields: &[
        many("dataPoints", 1, Kind::Message(&NUMBER_DATA_POINT)),
        one("aggregationTemporality", 2, TEMPORALITY),
        one("isMonotonic", 3, Kind::Bool),
    ],
};

static HISTOGRAM: Message = Message {
    name: "Histogram",
    level: false,
    fields: &[
        many("dataPoints", 1, Kind::Message(&HISTOGRAM_DATA_POINT)),
        one("aggregationTemporality", 2, TEMPORALITY),
    ],
};

static EXPONENTIAL_HISTOGRAM: Message = Message {
    name: "ExponentialHistogram",
    level: false,
    fields: &[
        many("dataPoints", 1, Kind::Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT)),
        one("aggregationTemporality", 2, TEMPORALITY),
    ],
};

static SUMMARY: Message =
    Message { name: "Summary", level: false, fields: &[many("dataPoints", 1, Kind::Message(&SUMMARY_DATA_POINT))] };

static NUMBER_DATA_POINT: Message = Message {
    name: "NumberDataPoint",
    level: false,
    fields: &[
        many("attributes", 7, Kind::Message(&KEY_VALUE)),
        one("startTimeUnixNano", 2, Kind::Fixed64),
        one("timeUnixNano", 3, Kind::Fixed64),
        either("asDouble", 4, Kind::Double),
        either("asInt", 6, Kind::Sfixed64),
        many("exemplars", 5, Kind::Message(&EXEMPLAR)),
        one("flags", 8, Kind::Uint32),
    ],
};

static HISTOGRAM_DATA_POINT: Message = Message {
    name: "HistogramDataPoint",
    level: false,
    fields: &[
        many("attributes", 9, Kind::Message(&KEY_VALUE)),
        one("startTimeUnixNano", 2, Kind::Fixed64),
        one("timeUnixNano", 3, Kind::Fixed64),
        one("count", 4, Kind::Fixed64),
        one("sum", 5, Kind::Double),
        many("bucketCounts", 6, Kind::Fixed64),
        many("explicitBounds", 7, Kind::Double),
        many("exemplars", 8, Kind::Message(&EXEMPLAR)),
        one("flags", 10, Kind::Uint32),
        one("min", 11, Kind::Double),
        one("max", 12, Kind::Double),
    ],
};

static EXPONENTIAL_HISTOGRAM_DATA_POINT: Message = Message {
    name: "ExponentialHistogramDataPoint",
    level: false,
    fields: &[
        many("attributes", 1, Kind::Message(&KEY_VALUE)),
        one("startTimeUnixNano", 2, Kind::Fixed64),
        one("timeUnixNano", 3, Kind::Fixed64),
        one("count", 4, Kind::Fixed64),
        one("sum", 5, Kind::Double),
        one("scale", 6, Kind::Sint32),
        one("zeroCount", 7, Kind::Fixed64),
        one("positive", 8, Kind::Message(&BUCKETS)),
        one("negative", 9, Kind::Message(&BUCKETS)),
        one("flags", 10, Kind::Uint32),
        many("exemplars", 11, Kind::Message(&EXEMPLAR)),
        one("min", 12, Kind::Double),
        one("max", 13, Kind::Double),
        one("zeroThreshold", 14, Kind::Double),
    ],
};

static BUCKETS: Message = Message {
    name: "Buckets",
    level: false,
    fields: &[one("offset", 1, Kind::Sint32), many("bucketCounts", 2, Kind::Uint64)],
};

static SUMMARY_DATA_POINT: Message = Message {
    name: "SummaryDataPoint",
    level: false,
    fields: &[
        many("attributes", 7, Kind::Message(&KEY_VALUE)),
        one("startTimeUnixNano", 2, Kind::Fixed64),
        one("timeUnixNano", 3, Kind::Fixed64),
        one("count", 4, Kind::Fixed64),
        one("sum", 5, Kind::Double),
        many("quantileValues", 6, Kind::Message(&VALUE_AT_QUANTILE)),
        one("flags", 8, Kind::Uint32),
    ],
};

static VALUE_AT_QUANTILE: Message = Message {
    name: "ValueAtQuantile",
    level: false,
    fields: &[one("quantile", 1, Kind::Double), one("value", 2, Kind::Double)],
};

static EXEMPLAR: Message = Message {
    name: "Exemplar",
    level: false,
    fields: &[
        many("filteredAttributes", 7, Kind::Message(&KEY_VALUE)),
        one("timeUnixNano", 2, Kind::Fixed64),
        either("asDouble", 3, Kind::Double),
        either("asInt", 6, Kind::Sfixed64),
        one("spanId", 4, Kind::Id),
        one("traceId", 5, Kind::Id),
    ],
};
