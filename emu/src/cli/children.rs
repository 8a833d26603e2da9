//! Options about the processes that the guest makes.

use clap::Args;

use crate::machine::ChildOptions;

/// What happens with a program's children.
#[derive(Debug, Args)]
pub struct ChildrenOptions {
    /// Put '[name id]' before each console line of a process that the program has started
    #[arg(long)]
    pub prefix_children: bool,
    /// Stop when the program ends, and do not wait for the processes that it has started
    #[arg(long)]
    pub end_with_first: bool,
}

impl ChildrenOptions {
    /// What the machine makes of them.
    pub(super) fn options(&self) -> ChildOptions {
        ChildOptions { prefix: self.prefix_children, end_with_first: self.end_with_first }
    }
}
