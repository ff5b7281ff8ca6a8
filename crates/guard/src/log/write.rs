//! JSON and digits as a line of the log has them, written straight into its bytes: a line is written for every request.

use std::io;

/// A text between quotes.
pub(super) fn text(text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        return Ok(serde_json::to_writer(out, text)?);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

/// A whole number.
pub(super) fn number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Milliseconds, with a thousandth as the last digit.
pub(super) fn milliseconds(ms: f64, out: &mut Vec<u8>) {
    let micros = whole(ms * 1_000.0);
    number(micros / 1_000, out);
    let rest = micros % 1_000;
    let digit = |place: u64| b'0' + (rest / place % 10) as u8;
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
}

/// The nearest whole number that is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` takes the nearest number that fits"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// Bytes as hexadecimal digits in lower case.
pub(super) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes
            .iter()
            .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn milliseconds_have_three_places() {
        for (ms, text) in [
            (0.0, "0.000"),
            (1.25, "1.250"),
            (0.0006, "0.001"),
            (12_345.678_9, "12345.679"),
            (-1.0, "0.000"),
        ] {
            assert_eq!(written(|out| milliseconds(ms, out)), text);
        }
        assert!(written(|out| milliseconds(f64::INFINITY, out)).parse::<f64>().is_ok());
        assert_eq!(written(|out| milliseconds(f64::NAN, out)), "0.000");
    }

    proptest! {
        #[test]
        fn it_is_what_serde_writes(value in "\\PC*|[\\x00-\\x7f]*", count: u64, bytes: Vec<u8>) {
            prop_assert_eq!(written(|out| text(&value, out).expect("written")), serde_json::to_string(&value).expect("text"));
            prop_assert_eq!(written(|out| number(count, out)), count.to_string());
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(written(|out| hex(&bytes, out)), digits);
        }
    }
}
