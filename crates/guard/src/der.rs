//! Whether bytes are DER whose lengths hold, before a reader that trusts them takes them.

/// Deepest nesting that is looked at; certificates have less than ten.
const MAX_DEPTH: usize = 32;

/// Whether every element of the bytes ends within the one around it. Of a value that is no element of its own, such as that of an extension,
/// the length alone is looked at.
pub(crate) fn is_sound(der: &[u8]) -> bool {
    elements(der, 0)
}

fn elements(mut rest: &[u8], depth: usize) -> bool {
    while !rest.is_empty() {
        let Some((constructed, content, after)) = element(rest) else {
            return false;
        };
        if constructed && (depth >= MAX_DEPTH || !elements(content, depth + 1)) {
            return false;
        }
        rest = after;
    }
    true
}

/// The element at the start (X.690, section 8.1): whether it is made of others, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    if tag & 0x1f == 0x1f {
        // The number of the tag goes on for as long as the first bit is set; those of certificates fit into four bytes.
        let length = rest.iter().take(4).position(|byte| byte & 0x80 == 0)?;
        rest = &rest[length + 1..];
    }
    let (first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(*first),
        0x81..=0x84 => {
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            rest = after;
            bytes.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte))
        }
        // Without an end of its own, or longer than any certificate.
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag & 0x20 != 0, content, after))
}

#[cfg(test)]
mod tests {
    use super::is_sound;

    #[test]
    fn lengths_must_hold() {
        for sound in [
            &b""[..],
            b"\x05\x00",
            b"\x30\x03\x02\x01\x07",
            b"\x30\x81\x03\x02\x01\x07",
            b"\x04\x02\xff\xff",
            b"\x7f\x81\x01\x00",
        ] {
            assert!(is_sound(sound), "{sound:?}");
        }
        for unsound in [
            &b"\x30"[..],
            b"\x30\x80\x00\x00",
            b"\x30\x04\x02\x01\x07",
            b"\x30\x03\x02\x02\x07",
            b"\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x30\x85\x00\x00\x00\x00\x01\x00",
            b"\x1f\xff\xff\xff\xff\xff\x00\x00",
            &[0x30; 200],
        ] {
            assert!(!is_sound(unsound), "{unsound:?}");
        }
        let deep: Vec<u8> = (0..40_u8).rev().flat_map(|at| [0x30, 2 * at]).collect();
        assert!(!is_sound(&deep));
    }
}
