//! The screen, drawn anew until somebody interrupts it.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use vigie_run::Failure;

use crate::failure::{Done, written};

/// The other screen of the terminal, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// The screen and the cursor as they were.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Gives the terminal back, however the screen ends.
struct Screen;

impl Screen {
    fn enter() -> std::io::Result<Self> {
        let mut out = std::io::stdout().lock();
        out.write_all(ENTER.as_bytes())?;
        out.flush()?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(LEAVE.as_bytes());
        let _ = out.flush();
    }
}

/// Draws what `view` returns, again and again, until Ctrl-C or a service manager's signal.
pub(super) fn run(every: Duration, view: impl Fn() -> Result<String, Failure>) -> Done {
    crate::runtime::runtime()?.block_on(async {
        let first = view()?;
        let interrupted = crate::service::interrupted();
        tokio::pin!(interrupted);
        let entered = Screen::enter();
        let screen = match entered {
            Ok(screen) => screen,
            Err(error) => return Err(Failure::output(error.to_string())),
        };
        let mut text = first;
        loop {
            draw(&text)?;
            tokio::select! {
                () = &mut interrupted => break,
                () = tokio::time::sleep(every) => text = view()?,
            }
        }
        drop(screen);
        Ok(ExitCode::SUCCESS)
    })
}

/// Writes over what was there, and clears the rest: without a flicker.
fn draw(text: &str) -> Result<(), Failure> {
    let mut whole = String::from("\x1b[H");
    let height = terminal_size::terminal_size_of(std::io::stdout()).map_or(24, |(_, height)| usize::from(height.0));
    for line in text.lines().take(height.saturating_sub(2).max(1)) {
        whole.push_str(line);
        whole.push_str("\x1b[K\n");
    }
    whole.push_str("Ctrl-C ends it\x1b[K\x1b[J");
    let colourful = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let plain;
    let text = match colourful {
        true => &whole,
        false => {
            // Without colours the movements of the cursor stay.
            plain = without_colours(&whole);
            &plain
        }
    };
    let mut out = std::io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Takes out the sequences that end in `m`.
fn without_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        out.push_str(before);
        let end = after
            .find(|char: char| char.is_ascii_alphabetic())
            .map_or(after.len(), |end| end + 1);
        let (sequence, behind) = after.split_at(end);
        if !sequence.ends_with('m') {
            out.push_str("\x1b[");
            out.push_str(sequence);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}
