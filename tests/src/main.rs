//! The `trapgate` command, built again beside the tests that run it.

fn main() -> std::process::ExitCode {
    trapgate::cli::main()
}
