#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| flyball_fuzz::open_metrics(body));
