//! Protocol Buffers on the wire, as far as the messages of a proxy need them: fields are read one after the other, so that a reader can stop
//! at its bounds, and what it does not know is stepped over.
//!
//! Written by hand: the few messages are smaller than a library and its code generator, which the gateway's own build does without.
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use bytes::{Buf as _, Bytes};

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// They end within a field.
    #[error("the message ends within a field")]
    Cut,
    /// A number of more than 64 bits, a field of number 0, or a group.
    #[error("a field of the message does not read")]
    Field,
    /// A field has another type than its message gives it.
    #[error("a field of the message has another type")]
    Type,
    /// A field that there is one of is there twice.
    #[error("a field of the message is there twice")]
    Twice,
    /// A text is not UTF-8.
    #[error("a text of the message is not UTF-8")]
    Text,
}

/// The fields of a message that are still to be read.
pub(super) struct Fields(pub(super) Bytes);

/// The value of a field.
pub(super) enum Value {
    Number(u64),
    Bytes(Bytes),
    /// A number of fixed length; no message here has one that is needed.
    Fixed,
}

impl Fields {
    /// The number and the value of the next field.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let field = u32::try_from(tag >> 3).ok().filter(|field| *field != 0).ok_or(Malformed::Field)?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => self.fixed(8)?,
            2 => {
                let length = self.number()?;
                let length = usize::try_from(length).ok().filter(|length| *length <= self.0.len());
                Value::Bytes(self.0.split_to(length.ok_or(Malformed::Cut)?))
            }
            5 => self.fixed(4)?,
            _ => return Err(Malformed::Field),
        };
        Ok(Some((field, value)))
    }

    fn fixed(&mut self, length: usize) -> Result<Value, Malformed> {
        if self.0.len() < length {
            return Err(Malformed::Cut);
        }
        self.0.advance(length);
        Ok(Value::Fixed)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for at in 0..10_u32 {
            let byte = *self.0.first().ok_or(Malformed::Cut)?;
            self.0.advance(1);
            let bits = u64::from(byte & 0x7f);
            if at == 9 && bits > 1 {
                return Err(Malformed::Field);
            }
            number |= bits << (7 * at);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed::Field)
    }
}

impl Value {
    pub(super) fn bytes(self) -> Result<Bytes, Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Fixed => Err(Malformed::Type),
        }
    }

    pub(super) fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(Malformed::Type),
        }
    }

    pub(super) fn fields(self) -> Result<Fields, Malformed> {
        self.bytes().map(Fields)
    }

    pub(super) fn text(self) -> Result<String, Malformed> {
        let bytes = self.bytes()?;
        std::str::from_utf8(&bytes).map(str::to_owned).map_err(|_| Malformed::Text)
    }
}

/// Puts a value where there is none yet.
pub(super) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Twice),
    }
}

/// A message that is written.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn bytes(mut self, field: u8, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(self, field: u8, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn message(self, field: u8, message: Self) -> Self {
        self.bytes(field, &message.0)
    }

    pub(super) fn number(mut self, field: u8, number: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(number);
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, String)>, Malformed> {
        let mut fields = Fields(Bytes::copy_from_slice(bytes));
        let mut all = Vec::new();
        while let Some((field, value)) = fields.next()? {
            let value = match value {
                Value::Number(number) => number.to_string(),
                Value::Bytes(bytes) => format!("{bytes:?}"),
                Value::Fixed => "fixed".to_owned(),
            };
            all.push((field, value));
        }
        Ok(all)
    }

    #[test]
    fn fields_are_read_as_they_were_written() {
        let inner = Message::default().number(1, u64::MAX);
        let message = Message::default().number(1, 150).text(2, "testing").message(15, inner).into_bytes();
        // The examples of the format's description: 08 96 01, and 12 07 with a text.
        assert_eq!(message[..5], [0x08, 0x96, 0x01, 0x12, 0x07]);
        let fields = read(&message).expect("it reads");
        assert_eq!(fields[0], (1, "150".to_owned()));
        assert_eq!(fields[1], (2, "b\"testing\"".to_owned()));
        assert_eq!(fields[2].0, 15);
        assert_eq!(
            read(&[0x0d, 1, 2, 3, 4, 0x09, 1, 2, 3, 4, 5, 6, 7, 8]).map(|fields| fields.len()),
            Ok(2)
        );
    }

    #[test]
    fn what_does_not_read_is_an_error() {
        for (bytes, why) in [
            (&[0x08][..], Malformed::Cut),
            (&[0x08, 0x80], Malformed::Cut),
            (&[0x12, 2, b'a'], Malformed::Cut),
            (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Malformed::Cut),
            (&[0x09, 1], Malformed::Cut),
            (&[0x00, 1], Malformed::Field),
            (&[0x0b, 0x0c], Malformed::Field),
            (&[0x0e], Malformed::Field),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Malformed::Field),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Malformed::Field),
        ] {
            assert_eq!(read(bytes), Err(why), "{bytes:?}");
        }
    }
}
