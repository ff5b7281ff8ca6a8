//! `vigie watch`: scans on a schedule, and what changed after each.

mod args;
mod printed;

use std::ops::ControlFlow;
use std::process::ExitCode;

use vigie_run::scan::Event;
use vigie_run::watch::{Once, Watch, WatchEnd, WatchEvent};

use self::printed::Printed;
use crate::failure::{Done, exit};
use crate::interrupts::Interrupts;
use crate::progress::Shown;

pub(crate) use args::WatchArgs;

pub(crate) fn run(args: &WatchArgs) -> Done {
    let mut watch = Watch::open(args.options()?)?;
    let interrupts = Interrupts::of_a_watch();
    let printed = Printed::new(args);
    let mut shown = Shown::nothing();
    let mut listener = |event: WatchEvent<'_>| match event {
        WatchEvent::Scan(event) => {
            progress(&mut shown, &event, args.quiet);
            Ok(ControlFlow::Continue(()))
        }
        event => printed.event(&event),
    };
    if args.once {
        return Ok(
            match watch.once(args.fail_on_change.severity(), interrupts.stop(), &mut listener)? {
                Once::Interrupted => ExitCode::from(exit::INTERRUPTED),
                Once::Completed { has_change: true } => ExitCode::from(exit::FINDINGS),
                Once::Completed { has_change: false } | Once::NotDue => ExitCode::SUCCESS,
            },
        );
    }
    match watch.run(interrupts.stop(), &mut listener)? {
        WatchEnd::Stopped => {
            printed.note("stopped");
            Ok(ExitCode::from(exit::INTERRUPTED))
        }
        // It ends as quietly as any command whose output is closed.
        WatchEnd::Unheard => Ok(ExitCode::SUCCESS),
    }
}

fn progress(shown: &mut Shown, event: &Event<'_>, quiet: bool) {
    match event {
        Event::Begun { total } => *shown = Shown::new(*total, quiet),
        Event::Progress { counts, findings } => shown.update(counts, *findings),
        Event::Ended => shown.end(),
        Event::Observed(_) | Event::Idle => {}
    }
}
