//! A recording's `metadata.xml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| receiver::fuzzing::metadata_xml(bytes));
