//! A package's manifest.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| receiver::fuzzing::manifest(bytes));
