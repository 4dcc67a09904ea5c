//! The `maskwright` program: hands its arguments to the command line and its result to the shell.

use std::process::ExitCode;

fn main() -> ExitCode {
    maskwright::cli::main()
}
