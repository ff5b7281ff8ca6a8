//! The width of the terminal.

/// The width of standard output in columns: `COLUMNS`, else the width of the terminal; unbounded if it is not a terminal.
pub(crate) fn width() -> usize {
    use std::io::IsTerminal as _;
    if !std::io::stdout().is_terminal() {
        return vigie_export::UNBOUNDED;
    }
    let variable = std::env::var("COLUMNS").ok();
    let terminal = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    columns(variable.as_deref(), terminal)
}

/// The first known width, else 80.
fn columns(variable: Option<&str>, terminal: Option<usize>) -> usize {
    let variable = variable.and_then(|text| text.trim().parse::<usize>().ok());
    variable
        .filter(|columns| *columns > 0)
        .or(terminal.filter(|columns| *columns > 0))
        .unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_takes_precedence_over_the_terminals_width() {
        assert_eq!(columns(Some("40"), Some(120)), 40);
        for none in [None, Some(""), Some("0"), Some("wide"), Some("-3")] {
            assert_eq!(columns(none, Some(120)), 120);
            assert_eq!(columns(none, Some(0)), 80);
            assert_eq!(columns(none, None), 80);
        }
    }

    #[test]
    fn without_a_terminal_the_width_is_unbounded() {
        use std::io::IsTerminal as _;
        if !std::io::stdout().is_terminal() {
            assert_eq!(width(), vigie_export::UNBOUNDED);
        }
    }
}
