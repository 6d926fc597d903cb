//! The OpenTelemetry protocol's export requests, protobuf form, version 1 of its messages.

pub mod any_value;
pub mod logs;
pub mod metrics;
pub mod scope;
pub mod traces;
