//! API keys, which are never shown.

use std::fmt;

/// The shortest key. A shorter text would be masked in replies where it is no secret.
const SHORTEST: usize = 8;
/// The longest key.
const LONGEST: usize = 1_024;

/// An API key. It is sent to its service and shown nowhere.
#[derive(Clone)]
pub struct Secret(String);

/// Why a text is not a key. The text is not part of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It is too short or too long.
    #[error("has fewer than {SHORTEST} or more than {LONGEST} characters")]
    Length,
    /// It has characters that keys do not have.
    #[error("has a space, a control character, or one outside of ASCII")]
    Characters,
}

impl Secret {
    /// Checks a key; surrounding white space is removed.
    ///
    /// # Errors
    ///
    /// The text cannot be a key.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.is_empty() {
            Err(SecretError::Empty)
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err(SecretError::Characters)
        } else if !(SHORTEST..=LONGEST).contains(&text.len()) {
            Err(SecretError::Length)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// A text that reveals keys, such as a header: masked like a key.
    pub(crate) fn derived(text: String) -> Self {
        Self(text)
    }

    /// The key itself, only for sending.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Overwrites the key with asterisks wherever it occurs. The length stays the same.
    pub fn mask(&self, bytes: &mut [u8]) {
        for form in [self.0.clone(), crate::url::encode(&self.0)] {
            let places: Vec<usize> = memchr::memmem::find_iter(bytes, form.as_bytes()).collect();
            for place in places {
                if let Some(covered) = bytes.get_mut(place..place + form.len()) {
                    covered.fill(b'*');
                }
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let secret = Secret::new(" p4ss+word/31337 \n").expect("a key");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let mut reply = b"{\"url\":\"/x?key=p4ss%2Bword%2F31337\",\"key\":\"p4ss+word/31337\"}".to_vec();
        let length = reply.len();
        secret.mask(&mut reply);
        let reply = String::from_utf8(reply).expect("text");
        assert_eq!(reply.len(), length);
        assert!(!reply.contains("p4ss") && !reply.contains("31337"), "{reply}");
        for (text, error) in [
            ("", SecretError::Empty),
            ("short", SecretError::Length),
            ("two words of it", SecretError::Characters),
        ] {
            assert_eq!(Secret::new(text).map(|_| ()), Err(error));
        }
    }
}
