//! The log of vigie's gateway (`vigie guard`): JSON lines in the names of OCSF, in a chain that shows what was altered, cut or reordered.
//!
//! An entry of a request becomes a [`GatewayRequest`](vigie_model::GatewayRequest); the other entries are counted. The parser links the
//! entries of each batch, and a [`ChainCheck`] joins the batches of a file, and the files of an import, in whatever order they come.

mod chain;
mod check;
mod key;
mod line;
mod placed;
mod request;

pub use chain::{BreakKind, ChainBreak, Segment};
pub use check::{ChainCheck, ChainReport};
pub use key::PublicKey;

use crate::bad::Fault;
use crate::json;
use crate::options::Options;
use crate::out::Out;
use crate::time;

pub(crate) use self::chain::Link;
use self::line::Line;

/// Parses one line.
pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Fault> {
    // Checking UTF-8 once is faster than checking each string.
    let text = std::str::from_utf8(bytes).map_err(|error| format!("no UTF-8 from byte {} on", error.valid_up_to()))?;
    let line = Line::read(text).map_err(|error| json::plain(&error))?;
    let options = &out.maker.options;
    let gateway = gateway_of(&line, options)?;
    let link = Link::of(&line, bytes, out.line)?;
    let request = if line.is_request() {
        let request = request::of(line, &gateway, &link, options.recorded)?;
        time::not_yet(request.time, options.recorded)?;
        Some(request)
    } else {
        None
    };
    out.entry(&gateway, &link, request);
    Ok(())
}

/// The gateway that wrote a line: what the line says, else the name that the caller gave, else that of the public key.
fn gateway_of(line: &Line, options: &Options) -> Result<String, Fault> {
    let said = line.log_name();
    if let Some(name) = said {
        // What is not a fingerprint was not written by a gateway; as a name it could imitate another's.
        let is_fingerprint = name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        return if is_fingerprint {
            Ok(name.to_owned())
        } else {
            Err("its metadata.log_name is not the fingerprint of a gateway".into())
        };
    }
    match (&options.gateway, options.public_keys.as_slice()) {
        (Some(name), _) => Ok(name.clone()),
        (None, [key]) => Ok(key.fingerprint().to_owned()),
        (None, _) => Err(Fault::missing_gateway()),
    }
}
