//! A package, ours or another's.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| receiver::fuzzing::tar_import(bytes));
