//! Last errors: the translation of a status to a Win32 error, and the TEB's two last values.

use iced_x86::code_asm::*;

use crate::NtStatus;
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

const ERROR_MR_MID_NOT_FOUND: u32 = 317;

/// Status and Win32 error, ascending by status.
///
/// Microsoft's "NTSTATUS to Win32 error" mapping, checked against what `RtlNtStatusToDosError` gives under Wine 8.
const ERRORS: &[(NtStatus, u32)] = &[
    (NtStatus::SUCCESS, 0),
    (NtStatus::TIMEOUT, 1460),
    (NtStatus::PENDING, 997),
    (NtStatus::REPARSE, 741),
    (NtStatus::MORE_ENTRIES, 234),
    (NtStatus::NOT_ALL_ASSIGNED, 1300),
    (NtStatus::SOME_NOT_MAPPED, 1301),
    (NtStatus::OBJECT_NAME_EXISTS, 698),
    (NtStatus::IMAGE_NOT_AT_BASE, 700),
    (NtStatus::GUARD_PAGE_VIOLATION, 0x80000001),
    (NtStatus::DATATYPE_MISALIGNMENT, 998),
    (NtStatus::BREAKPOINT, 0x80000003),
    (NtStatus::SINGLE_STEP, 0x80000004),
    (NtStatus::BUFFER_OVERFLOW, 234),
    (NtStatus::NO_MORE_FILES, 18),
    (NtStatus::PARTIAL_COPY, 299),
    (NtStatus::NO_MORE_ENTRIES, 259),
    (NtStatus::UNSUCCESSFUL, 31),
    (NtStatus::NOT_IMPLEMENTED, 1),
    (NtStatus::INVALID_INFO_CLASS, 87),
    (NtStatus::INFO_LENGTH_MISMATCH, 24),
    (NtStatus::ACCESS_VIOLATION, 998),
    (NtStatus::IN_PAGE_ERROR, 999),
    (NtStatus::PAGEFILE_QUOTA, 1454),
    (NtStatus::INVALID_HANDLE, 6),
    (NtStatus::BAD_INITIAL_PC, 193),
    (NtStatus::TIMER_NOT_CANCELED, 541),
    (NtStatus::INVALID_PARAMETER, 87),
    (NtStatus::NO_SUCH_FILE, 2),
    (NtStatus::INVALID_DEVICE_REQUEST, 1),
    (NtStatus::END_OF_FILE, 38),
    (NtStatus::WRONG_VOLUME, 34),
    (NtStatus::NO_MEDIA_IN_DEVICE, 21),
    (NtStatus::MORE_PROCESSING_REQUIRED, 234),
    (NtStatus::NO_MEMORY, 8),
    (NtStatus::CONFLICTING_ADDRESSES, 487),
    (NtStatus::NOT_MAPPED_VIEW, 487),
    (NtStatus::UNABLE_TO_FREE_VM, 87),
    (NtStatus::UNABLE_TO_DELETE_SECTION, 87),
    (NtStatus::INVALID_SYSTEM_SERVICE, 1),
    (NtStatus::ILLEGAL_INSTRUCTION, 0xc000001d),
    (NtStatus::INVALID_LOCK_SEQUENCE, 5),
    (NtStatus::INVALID_VIEW_SIZE, 5),
    (NtStatus::ALREADY_COMMITTED, 5),
    (NtStatus::ACCESS_DENIED, 5),
    (NtStatus::BUFFER_TOO_SMALL, 122),
    (NtStatus::OBJECT_TYPE_MISMATCH, 6),
    (NtStatus::NONCONTINUABLE_EXCEPTION, 0xc0000025),
    (NtStatus::INVALID_DISPOSITION, 0xc0000026),
    (NtStatus::UNWIND, 542),
    (NtStatus::BAD_STACK, 543),
    (NtStatus::INVALID_UNWIND_TARGET, 544),
    (NtStatus::NOT_LOCKED, 158),
    (NtStatus::UNABLE_TO_DECOMMIT_VM, 487),
    (NtStatus::NOT_COMMITTED, 487),
    (NtStatus::INVALID_PORT_ATTRIBUTES, 545),
    (NtStatus::PORT_MESSAGE_TOO_LONG, 546),
    (NtStatus::INVALID_PARAMETER_MIX, 87),
    (NtStatus::INVALID_QUOTA_LOWER, 547),
    (NtStatus::DISK_CORRUPT_ERROR, 1393),
    (NtStatus::OBJECT_NAME_INVALID, 123),
    (NtStatus::OBJECT_NAME_NOT_FOUND, 2),
    (NtStatus::OBJECT_NAME_COLLISION, 183),
    (NtStatus::PORT_DISCONNECTED, 6),
    (NtStatus::DEVICE_ALREADY_ATTACHED, 548),
    (NtStatus::OBJECT_PATH_INVALID, 161),
    (NtStatus::OBJECT_PATH_NOT_FOUND, 3),
    (NtStatus::OBJECT_PATH_SYNTAX_BAD, 161),
    (NtStatus::DATA_OVERRUN, 1117),
    (NtStatus::DATA_LATE_ERROR, 1117),
    (NtStatus::DATA_ERROR, 23),
    (NtStatus::CRC_ERROR, 23),
    (NtStatus::SECTION_TOO_BIG, 8),
    (NtStatus::PORT_CONNECTION_REFUSED, 5),
    (NtStatus::INVALID_PORT_HANDLE, 6),
    (NtStatus::SHARING_VIOLATION, 32),
    (NtStatus::QUOTA_EXCEEDED, 1816),
    (NtStatus::INVALID_PAGE_PROTECTION, 87),
    (NtStatus::MUTANT_NOT_OWNED, 288),
    (NtStatus::SEMAPHORE_LIMIT_EXCEEDED, 298),
    (NtStatus::PORT_ALREADY_SET, 87),
    (NtStatus::SUSPEND_COUNT_EXCEEDED, 156),
    (NtStatus::THREAD_IS_TERMINATING, 5),
    (NtStatus::BAD_WORKING_SET_LIMIT, 87),
    (NtStatus::INCOMPATIBLE_FILE_MAP, 87),
    (NtStatus::SECTION_PROTECTION, 87),
    (NtStatus::EAS_NOT_SUPPORTED, 282),
    (NtStatus::EA_TOO_LARGE, 255),
    (NtStatus::NONEXISTENT_EA_ENTRY, 1392),
    (NtStatus::NO_EAS_ON_FILE, 1392),
    (NtStatus::EA_CORRUPT_ERROR, 1392),
    (NtStatus::FILE_LOCK_CONFLICT, 33),
    (NtStatus::LOCK_NOT_GRANTED, 33),
    (NtStatus::DELETE_PENDING, 5),
    (NtStatus::CTL_FILE_NOT_SUPPORTED, 50),
    (NtStatus::UNKNOWN_REVISION, 1305),
    (NtStatus::REVISION_MISMATCH, 1306),
    (NtStatus::INVALID_OWNER, 1307),
    (NtStatus::INVALID_PRIMARY_GROUP, 1308),
    (NtStatus::NO_IMPERSONATION_TOKEN, 1309),
    (NtStatus::CANT_DISABLE_MANDATORY, 1310),
    (NtStatus::NO_LOGON_SERVERS, 1311),
    (NtStatus::NO_SUCH_LOGON_SESSION, 1312),
    (NtStatus::NO_SUCH_PRIVILEGE, 1313),
    (NtStatus::PRIVILEGE_NOT_HELD, 1314),
    (NtStatus::ACCOUNT_DISABLED, 1331),
    (NtStatus::INVALID_ACL, 1336),
    (NtStatus::INVALID_SID, 1337),
    (NtStatus::INVALID_SECURITY_DESCR, 1338),
    (NtStatus::PROCEDURE_NOT_FOUND, 127),
    (NtStatus::INVALID_IMAGE_FORMAT, 193),
    (NtStatus::NO_TOKEN, 1008),
    (NtStatus::RANGE_NOT_LOCKED, 158),
    (NtStatus::DISK_FULL, 112),
    (NtStatus::RESOURCE_NAME_NOT_FOUND, 1814),
    (NtStatus::FLOAT_DIVIDE_BY_ZERO, 0xc000008e),
    (NtStatus::INTEGER_DIVIDE_BY_ZERO, 0xc0000094),
    (NtStatus::INTEGER_OVERFLOW, 534),
    (NtStatus::PRIVILEGED_INSTRUCTION, 0xc0000096),
    (NtStatus::FILE_INVALID, 1006),
    (NtStatus::INSUFFICIENT_RESOURCES, 1450),
    (NtStatus::MEMORY_NOT_ALLOCATED, 487),
    (NtStatus::DEVICE_NOT_READY, 21),
    (NtStatus::PIPE_BUSY, 231),
    (NtStatus::ILLEGAL_FUNCTION, 1),
    (NtStatus::PIPE_DISCONNECTED, 233),
    (NtStatus::IO_TIMEOUT, 121),
    (NtStatus::FILE_IS_A_DIRECTORY, 5),
    (NtStatus::NOT_SUPPORTED, 50),
    (NtStatus::NOT_SAME_DEVICE, 17),
    (NtStatus::INTERNAL_ERROR, 1359),
    (NtStatus::INVALID_USER_BUFFER, 1784),
    (NtStatus::INVALID_PARAMETER_1, 87),
    (NtStatus::INVALID_PARAMETER_2, 87),
    (NtStatus::INVALID_PARAMETER_3, 87),
    (NtStatus::INVALID_PARAMETER_4, 87),
    (NtStatus::INVALID_PARAMETER_5, 87),
    (NtStatus::INVALID_PARAMETER_6, 87),
    (NtStatus::INVALID_PARAMETER_7, 87),
    (NtStatus::INVALID_PARAMETER_8, 87),
    (NtStatus::INVALID_PARAMETER_9, 87),
    (NtStatus::INVALID_PARAMETER_10, 87),
    (NtStatus::INVALID_PARAMETER_11, 87),
    (NtStatus::INVALID_PARAMETER_12, 87),
    (NtStatus::VARIABLE_NOT_FOUND, 203),
    (NtStatus::DIRECTORY_NOT_EMPTY, 145),
    (NtStatus::FILE_CORRUPT_ERROR, 1392),
    (NtStatus::NOT_A_DIRECTORY, 267),
    (NtStatus::NAME_TOO_LONG, 206),
    (NtStatus::PROCESS_IS_TERMINATING, 5),
    (NtStatus::TOO_MANY_OPENED_FILES, 4),
    (NtStatus::CANCELLED, 995),
    (NtStatus::CANNOT_DELETE, 5),
    (NtStatus::FILE_DELETED, 5),
    (NtStatus::FILE_CLOSED, 6),
    (NtStatus::PAGEFILE_QUOTA_EXCEEDED, 567),
    (NtStatus::COMMITMENT_LIMIT, 1455),
    (NtStatus::DLL_NOT_FOUND, 126),
    (NtStatus::ORDINAL_NOT_FOUND, 182),
    (NtStatus::ENTRYPOINT_NOT_FOUND, 127),
    (NtStatus::CONTROL_C_EXIT, 572),
    (NtStatus::DLL_INIT_FAILED, 1114),
    (NtStatus::INVALID_LEVEL, 124),
    (NtStatus::PIPE_BROKEN, 109),
    (NtStatus::KEY_DELETED, 1018),
    (NtStatus::CHILD_MUST_BE_VOLATILE, 1021),
    (NtStatus::POSSIBLE_DEADLOCK, 1131),
    (NtStatus::NOT_FOUND, 1168),
    (NtStatus::HANDLE_NOT_CLOSABLE, 6),
    (NtStatus::NOT_A_REPARSE_POINT, 4390),
];

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    let rows = ERRORS.iter().flat_map(|(status, error)| [status.0.to_le_bytes(), error.to_le_bytes()]);
    let table: Vec<u8> = rows.flatten().collect();
    m.constant("RtlpStatusTable", &table)?;
    m.func("RtlNtStatusToDosErrorNoTeb", status_to_dos_error_no_teb)?;
    m.func("RtlNtStatusToDosError", status_to_dos_error)?;
    m.func("RtlSetLastWin32ErrorAndNtStatusFromNtStatus", set_last_error_from_status)?;
    m.func("RtlGetLastWin32Error", |a| read_teb(a, "LastErrorValue"))?;
    m.func("RtlGetLastNtStatus", |a| read_teb(a, "LastStatusValue"))?;
    m.func("RtlSetLastWin32Error", set_last_error)?;
    m.alias("RtlRestoreLastWin32Error", "RtlSetLastWin32Error");
    Ok(())
}

/// `RtlNtStatusToDosErrorNoTeb`: ecx = a status; the Win32 error, 317 if it has none.
fn status_to_dos_error_no_teb(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut search, mut next, mut above, mut found, mut unknown, mut low_word, mut same] = a.labels();
    let table = a.sym("RtlpStatusTable");
    let rows = ERRORS.len() as u32;
    asm! { a;
        // A customer's status is its own error.
        test ecx, 0x2000_0000;
        jnz same;
        // FACILITY_NT_BIT, left by HRESULT_FROM_NT.
        mov eax, ecx;
        and eax, 0xf000_0000u32;
        cmp eax, 0xd000_0000u32;
        jne search;
        and ecx, 0xefff_ffffu32;
        bind &mut search;
        lea r8, qword_ptr(table);
        xor edx, edx;
        mov r9d, rows;
        bind &mut next;
        cmp edx, r9d;
        jae unknown;
        lea eax, dword_ptr(rdx + r9);
        shr eax, 1;
        cmp ecx, dword_ptr(r8 + rax * 8);
        je found;
        ja above;
        mov r9d, eax;
        jmp next;
        bind &mut above;
        lea edx, dword_ptr(rax + 1);
        jmp next;
        bind &mut found;
        mov eax, dword_ptr(r8 + rax * 8 + 4);
        ret;
        // FACILITY_NTWIN32 and FACILITY_WIN32 carry a Win32 error in their low half.
        bind &mut unknown;
        mov eax, ecx;
        shr eax, 16;
        cmp eax, 0xc007;
        je low_word;
        cmp eax, 0x8007;
        je low_word;
        mov eax, ERROR_MR_MID_NOT_FOUND;
        ret;
        bind &mut low_word;
        movzx eax, cx;
        ret;
        bind &mut same;
        mov eax, ecx;
        ret;
    }
    Ok(())
}

/// `RtlNtStatusToDosError`: the same, and the TEB remembers the status.
fn status_to_dos_error(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let last_status = a.offset("TEB", "LastStatusValue")?;
    asm! { a;
        load_teb rax;
        mov dword_ptr(rax + last_status), ecx;
        jump "RtlNtStatusToDosErrorNoTeb";
    }
    Ok(())
}

/// `RtlSetLastWin32ErrorAndNtStatusFromNtStatus`: ecx = a status; returns the Win32 error it stored.
fn set_last_error_from_status(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let last_error = a.offset("TEB", "LastErrorValue")?;
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        invoke "RtlNtStatusToDosError";
        load_teb rcx;
        mov dword_ptr(rcx + last_error), eax;
        leave frame;
    }
    Ok(())
}

/// `RtlGetLastWin32Error`, `RtlGetLastNtStatus`.
fn read_teb(a: &mut Asm<'_>, field: &'static str) -> Result<(), AsmError> {
    let offset = a.offset("TEB", field)?;
    asm! { a;
        load_teb rax;
        mov eax, dword_ptr(rax + offset);
        ret;
    }
    Ok(())
}

/// `RtlSetLastWin32Error`: ecx = the error.
fn set_last_error(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let last_error = a.offset("TEB", "LastErrorValue")?;
    asm! { a;
        load_teb rax;
        mov dword_ptr(rax + last_error), ecx;
        ret;
    }
    Ok(())
}
