//! Trapgate's integration tests: one binary, one module a subject.

mod engine;
mod house;
mod licences;
