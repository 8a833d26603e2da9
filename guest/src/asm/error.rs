//! What can go wrong while linking. All of it is a mistake in this crate or its data, never the guest's.

/// Why a built-in DLL could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum AsmError {
    /// A name that is used but defined nowhere.
    #[error("undefined symbol {0}")]
    Undefined(String),
    /// A name that is defined or exported twice.
    #[error("{0} is defined twice")]
    Duplicate(String),
    /// A compiled object that is not understood, or a field that cannot be completed.
    #[error("{0}")]
    Object(String),
    /// A field that the build's layouts do not have.
    #[error("no layout of {0}")]
    Field(String),
    /// An image or a part of one beyond 32-bit sizes.
    #[error("the image is too large")]
    TooLarge,
}

impl From<iced_x86::IcedError> for AsmError {
    fn from(error: iced_x86::IcedError) -> Self {
        Self::Object(error.to_string())
    }
}
