//! `vigie completions SHELL`, `vigie man DIR`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use vigie_run::{Failure, write_whole};

use crate::failure::{Done, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: Shell,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder for the pages.
    pub(crate) dir: PathBuf,
}

pub(crate) fn completions(args: &CompletionsArgs, mut command: Command) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "vigie", &mut script);
    written(std::io::Write::write_all(&mut std::io::stdout().lock(), &script))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(args: &ManArgs, command: Command) -> Done {
    let mut all = command.disable_help_subcommand(true);
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
