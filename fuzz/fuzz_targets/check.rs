#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vigie_guard::fuzzing::check(data));
