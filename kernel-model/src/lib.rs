//! The NT executive as plain Rust data.
//!
//! Components know only those before them: [`service`], [`ke`], [`se`], [`ob`], [`mm`], [`ex`], [`io`], [`cm`], [`ps`]. One
//! [`Kernel`] holds them; a service gets it through a [`Cx`]. No CPU, no host pointer and no closure lives
//! in here, so a clone is a snapshot and a run can be repeated.

mod address;
mod apc_delivery;
mod begin;
pub mod body;
mod boot;
mod boot_files;
mod boot_processes;
pub mod cm;
pub mod cx;
mod debug;
mod end;
mod end_files;
pub mod ex;
mod exception;
mod invariants;
pub mod io;
pub mod ke;
pub mod kernel;
mod keys;
pub mod mm;
mod new_process;
pub mod ob;
pub mod packages;
pub mod ps;
pub mod schedule;
pub mod se;
pub mod service;
pub mod wine;

pub use cx::Cx;
pub use kernel::{Answer, Call, Kernel};
