#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| flyball_fuzz::remote_write_2(body));
