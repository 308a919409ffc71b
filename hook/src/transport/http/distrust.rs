//! Why no trust could be established, from the words of the TLS library.

use crate::failure::{Cause, Failure};

/// What the library says in its own words, what that means, and what mends it. `HOST` and `PLACE`
/// stand for the receiver's.
const MEANINGS: [(&[&str], &str, &str); 4] = [
    (
        &["CaUsedAsEndEntity"],
        "its certificate is marked as that of an authority (a self-signed one often is), and no \
         server may show such a one; have it made with basicConstraints=CA:FALSE",
        "there: openssl req -x509 -newkey rsa:3072 -nodes -days 825 -subj /CN=HOST -addext \
         subjectAltName=ALT -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out \
         cert.pem; here: a copy of cert.pem as http.ca_file",
    ),
    (
        &["not valid for name", "NotValidForName"],
        "its certificate is for another name; write that name in http.receiver, or have one made \
         for HOST",
        "openssl s_client -connect PLACE </dev/null | openssl x509 -noout -ext subjectAltName",
    ),
    (
        &["expired", "not valid yet", "NotValidYet"],
        "the certificate's days are over, or one of the clocks is wrong",
        "renew it, there; date; openssl s_client -connect PLACE </dev/null | openssl x509 -noout \
         -dates",
    ),
    (
        &["corrupt message", "InvalidContentType"],
        "nobody speaks TLS at this address; http:// instead of https://, or the port of the TLS \
         proxy, in http.receiver",
        "curl -v http://PLACE/healthz",
    ),
];

/// Whatever else it is: an authority that is not known here, most likely.
const UNKNOWN: (&str, &str) = (
    "no authority that this node knows has signed its certificate; put the authority's (of a \
     self-signed one, the certificate itself) into a file, and its path into http.ca_file",
    "openssl s_client -connect PLACE -showcerts </dev/null shows them; then http.ca_file: \
     /etc/bbb2pod/ca.pem",
);

pub(super) fn failure(place: &str, host: &str, said: &str) -> Failure {
    let found = MEANINGS
        .iter()
        .find(|(words, ..)| words.iter().any(|w| said.contains(w)))
        .map(|(_, advice, mend)| (*advice, *mend));
    let (advice, mend) = found.unwrap_or(UNKNOWN);
    let bare = place.split_once("://").map_or(place, |(_, rest)| rest);
    let with_port = if bare.ends_with(']') || !bare.contains(':') {
        format!("{bare}:443")
    } else {
        bare.to_owned()
    };
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let alt = address.map_or_else(|_| format!("DNS:{host}"), |ip| format!("IP:{ip}"));
    let filled = |text: &str| {
        text.replace("HOST", host)
            .replace("PLACE", &with_port)
            .replace("ALT", &alt)
    };
    // Its debugging output explains nothing to anybody else.
    let said = said.split(" {").next().unwrap_or_default();
    let said = said.split(": Other(").next().unwrap_or_default();
    let message = format!("no trust in {place}: {said}; {}", filled(advice));
    Failure::new(Cause::Tls, message).mended_by(filled(mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_says_is_told_apart() {
        for (said, words) in [
            ("invalid peer certificate: UnknownIssuer", "http.ca_file"),
            (
                "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
                "CA:FALSE",
            ),
            (
                "invalid peer certificate: certificate not valid for name \"r.example\"",
                "for another name",
            ),
            ("invalid peer certificate: Expired", "http.ca_file"),
            (
                "invalid peer certificate: certificate expired",
                "days are over",
            ),
            (
                "received corrupt message of type InvalidContentType",
                "nobody speaks TLS",
            ),
        ] {
            let failure = failure("https://r.example", "r.example", said);
            assert!(failure.message.contains(words), "{failure}");
            assert!(!failure.message.contains("OtherError"), "{failure}");
            let mend = failure.mend.unwrap();
            assert!(!mend.contains("HOST") && !mend.contains("PLACE"), "{mend}");
        }
    }
}
