//! All tests from outside, as one program, because linking one is cheaper than linking many.
//!
//! Each counterpart of flyball is a real program here, started on loopback; where one is missing its tests say
//! `skipped: needs X (how to get it)`, and fail under `FLYBALL_TEST_REQUIRE_ALL=1`.

mod access;
mod alertmanager;
mod backtest;
mod bad_input;
mod bad_rules;
mod by_the_book;
mod collector;
mod command_line;
mod crash;
mod dashboards;
mod faults;
mod first_minute;
mod host;
mod house;
mod import;
mod influxdb;
mod ledger;
mod line_protocol;
mod opentelemetry_sdk;
mod power;
mod prometheus;
mod pushgateway;
mod queries;
mod recording;
mod reload;
mod restart;
mod scrape;
mod self_metrics;
mod soak;
mod tap;
mod traces;
mod vmagent;
mod webhook;
