//! The headers of an upload.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| receiver::fuzzing::tus_headers(bytes));
