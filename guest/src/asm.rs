//! TEMPORARY placeholder until asm/ lands.
use crate::Profile;
#[derive(Debug, thiserror::Error)]
#[error("not there yet")]
pub struct AsmError;
pub struct BuiltinDll { pub name: &'static str, pub image: Vec<u8>, pub symbols: Vec<(u32, String)> }
pub fn ntdll(_: &'static Profile) -> Result<BuiltinDll, AsmError> { Err(AsmError) }
pub fn kernel32(_: &'static Profile) -> Result<BuiltinDll, AsmError> { Err(AsmError) }
