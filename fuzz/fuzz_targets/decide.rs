#![no_main]

#[path = "../drivers/decide.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|data: &[u8]| driver::drive(data));
