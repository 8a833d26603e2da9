//! What can go wrong while assembling. All of it is a mistake in this crate or its data, never the guest's.

use iced_x86::IcedError;

/// Why a built-in DLL could not be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AsmError {
    /// An instruction that cannot be encoded.
    #[error("{function}: {error}")]
    Encode {
        /// The function being assembled.
        function: &'static str,
        /// The encoder's complaint.
        error: IcedError,
    },
    /// An instruction that cannot be built.
    #[error(transparent)]
    Instruction(#[from] IcedError),
    /// The profile's layouts lack a field that the code needs.
    #[error("the profile has no {structure}.{field}")]
    Layout {
        /// The structure, without its leading underscore.
        structure: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A name that is used but defined nowhere.
    #[error("undefined symbol {0}")]
    Undefined(String),
    /// A name that is defined or exported twice.
    #[error("{0} is defined twice")]
    Duplicate(String),
    /// A label that is jumped to but set nowhere, or a prologue that is not at the start.
    #[error("{function}: {reason}")]
    Malformed {
        /// The function being assembled.
        function: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A compiled object that is not understood, or a field that cannot be completed.
    #[error("{0}")]
    Object(String),
    /// An image or a part of one beyond 32-bit sizes.
    #[error("the image is too large")]
    TooLarge,
}
