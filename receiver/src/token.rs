//! Secrets made here: tokens of nodes, and the one-time codes that become tokens.

use std::fmt::Write as _;

/// Letters and digits that people do not confuse (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: 100 bits.
const CODE_LENGTH: usize = 20;

/// A node's token: 256 random bits, with a prefix by which secret scanners can know it.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn new() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold("bbb2pod_".to_owned(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    }))
}

/// A one-time code, in groups that can be read to somebody on the telephone.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn new_code() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; CODE_LENGTH];
    getrandom::fill(&mut bytes)?;
    let mut code = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 5 == 0 {
            code.push('-');
        }
        code.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Ok(code)
}

/// A code as it is compared: however it was typed.
pub(crate) fn plain_code(typed: &str) -> String {
    typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(4 * CODE_LENGTH)
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_being_typed() {
        let code = new_code().unwrap();
        assert_eq!(code.len(), CODE_LENGTH + 3);
        let plain = plain_code(&code);
        assert_eq!(plain.len(), CODE_LENGTH);
        assert_eq!(plain_code(&format!(" {} ", code.to_lowercase())), plain);
        assert_eq!(plain_code("o-i-l"), "011");
        assert_ne!(code, new_code().unwrap());
    }
}
