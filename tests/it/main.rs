//! Trapgate's integration tests: one binary, one module a subject.

mod bad_input;
mod builds;
mod cli;
mod crt;
mod dep;
mod determinism;
mod edges;
mod engine;
mod example;
mod gates;
mod helpers;
mod hostile;
mod house;
mod kuser;
mod licences;
mod memory;
mod model;
mod pages;
mod programs;
mod readme;
mod returns;
mod services;
mod stubs;
mod support;
mod traces;
mod wine;
