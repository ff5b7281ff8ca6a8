//! `vigie completions SHELL`, `vigie man DIR`.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::failure::{Done, written};
use vigie_run::{Failure, write_whole};

pub(crate) fn completions(args: &CompletionsArgs) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vigie", &mut script);
    written(std::io::Write::write_all(&mut std::io::stdout().lock(), &script))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(args: &ManArgs) -> Done {
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let mut commands = vec![all];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().filter(|one| !one.is_hide_set()).cloned());
        let page = clap_mangen::Man::new(command).source(concat!("vigie ", env!("CARGO_PKG_VERSION")));
        let mut text = Vec::new();
        page.render(&mut text).map_err(Failure::output)?;
        write_whole(&args.dir.join(page.get_filename()), &text)?;
    }
    Ok(ExitCode::SUCCESS)
}
