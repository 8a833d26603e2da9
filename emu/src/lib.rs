//! Trapgate: Windows machine code on an emulated CPU, against an NT kernel written in Rust.
//!
//! A [`Machine`] is made from a [`Config`] and [run](Machine::run); an [`Observer`](trace::Observer) sees every system
//! call with its registers. See the README for a test that pins a program's trace.

pub mod cpu;
pub mod loader;
pub mod machine;
pub mod registry;
pub mod root;
pub mod trace;
pub mod view;

#[doc(hidden)]
pub mod cli;

pub use machine::{Config, End, Machine, MachineError};
