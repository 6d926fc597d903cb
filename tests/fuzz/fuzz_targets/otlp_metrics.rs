#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| flyball_fuzz::otlp_metrics(body));
