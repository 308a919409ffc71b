//! What an error and its causes say, on one line: for logs, states and answers.

use std::error::Error;

/// An error with all its causes, in one line. A cause that is in the text already is not said again.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot send")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Inner(&'static str);

    #[test]
    fn causes_are_said_once_and_on_one_line() {
        assert_eq!(
            chain(&Outer(Inner("reset\nby peer"))),
            "cannot send: reset by peer"
        );
        assert_eq!(chain(&Outer(Inner("cannot send"))), "cannot send");
    }
}
