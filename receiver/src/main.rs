//! `bbb2pod-receiver`; see the library of the same package.

use std::process::ExitCode;

fn main() -> ExitCode {
    receiver::run()
}
