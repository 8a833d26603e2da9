//! Bugcheck codes by name. Source: Microsoft's bug check code reference.

/// A bugcheck's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BugCheckCode(pub u32);

macro_rules! codes {
    ($($name:ident = $value:literal),* $(,)?) => {
        #[allow(missing_docs)]
        impl BugCheckCode {
            $(pub const $name: Self = Self($value);)*

            /// The name Windows shows; `None` for a code that is not in the table.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}
codes! {
    APC_INDEX_MISMATCH = 0x01,
    IRQL_NOT_LESS_OR_EQUAL = 0x0a,
    KMODE_EXCEPTION_NOT_HANDLED = 0x1e,
    SYSTEM_SERVICE_EXCEPTION = 0x3b,
    MULTIPLE_IRP_COMPLETE_REQUESTS = 0x44,
    IRQL_GT_ZERO_AT_SYSTEM_SERVICE = 0x4a,
    PAGE_FAULT_IN_NONPAGED_AREA = 0x50,
    SYSTEM_THREAD_EXCEPTION_NOT_HANDLED = 0x7e,
    UNEXPECTED_KERNEL_MODE_TRAP = 0x7f,
    INVALID_KERNEL_HANDLE = 0x93,
    ATTEMPTED_WRITE_TO_READONLY_MEMORY = 0xbe,
    BAD_POOL_CALLER = 0xc2,
    DRIVER_VERIFIER_DETECTED_VIOLATION = 0xc4,
    DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS = 0xce,
    DRIVER_IRQL_NOT_LESS_OR_EQUAL = 0xd1,
    MANUALLY_INITIATED_CRASH = 0xe2,
    CRITICAL_PROCESS_DIED = 0xef,
    CRITICAL_OBJECT_TERMINATION = 0xf4,
    ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY = 0xfc,
    KERNEL_SECURITY_CHECK_FAILURE = 0x139,
}
