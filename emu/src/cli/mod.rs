//! The command line: `run`, `trace` and `flow` run a program; `objects`, `handles`, `ps` and `object` look at what it
//! leaves; `reg` shows the registry; `number`, `stubs`, `ssdt` and `profiles` print data.

mod args;
mod children;
mod commands;
mod disk;
mod executive;
mod files;
mod names;
mod pages;
mod progress;
mod registry;
mod root_choice;
mod schedule;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// The exit code for input that cannot be used.
const BAD_INPUT: u8 = 2;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Run(options) => commands::run(options),
        Command::Trace(options) => commands::trace(options),
        Command::Flow(options) => commands::flow(options),
        Command::Number(options) => pages::number(options),
        Command::Stubs(options) => pages::stubs(options),
        Command::Ssdt(options) => pages::ssdt(options),
        Command::Objects(options) => executive::objects(options),
        Command::Handles(options) => executive::handles(options),
        Command::Ps(options) => executive::ps(options),
        Command::Object(options) => executive::object(options),
        Command::Reg(options) => registry::reg(options),
        Command::Profiles(options) => pages::profiles(options),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            commands::say(&message);
            ExitCode::from(BAD_INPUT)
        }
    }
}
