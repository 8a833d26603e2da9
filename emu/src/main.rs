//! The `trapgate` command.

fn main() -> std::process::ExitCode {
    trapgate::cli::main()
}
