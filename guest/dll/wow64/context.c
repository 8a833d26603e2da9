/* wow64.dll: services with a CONTEXT of 32-bit code, and exceptions that it does not handle.
 *
 * The kernel knows the 32-bit registers of a thread by ThreadWow64Context. Setting those of the calling thread has
 * wow64cpu.dll load them all when it goes back.
 */
#include "wow64.h"

/* The codes of guest/data/wow64_services.csv. */
enum { CONTINUE = 11, GET_CONTEXT, SET_CONTEXT, RAISE_EXCEPTION, CONTINUE_EX, RAISE_HARD_ERROR };

#define THREAD_WOW64_CONTEXT 29
#define CURRENT_THREAD ((ULONG64)-2)
#define CONTEXT32_SIZE 0x2cc
#define CONTEXT64_SIZE 0x4d0
#define CODE32 0x23
#define EXCEPTION_MAXIMUM_PARAMETERS 15

typedef struct {
    ULONG ExceptionCode, ExceptionFlags, ExceptionRecord, ExceptionAddress, NumberParameters;
    ULONG ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS];
} EXCEPTION_RECORD32;
typedef struct {
    ULONG ExceptionCode, ExceptionFlags;
    ULONG64 ExceptionRecord, ExceptionAddress;
    ULONG NumberParameters;
    ULONG64 ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS];
} EXCEPTION_RECORD64;

__declspec(dllimport) NTSTATUS NtQueryInformationThread(ULONG64, ULONG, void *, ULONG, ULONG *);
__declspec(dllimport) NTSTATUS NtTestAlert(void);
__declspec(dllimport) NTSTATUS NtSetInformationThread(ULONG64, ULONG, const void *, ULONG);

static NTSTATUS set_context(ULONG64 thread, ULONG at) {
    UCHAR context[CONTEXT32_SIZE];
    NTSTATUS status = Wow64pCopy(context, pointer(at), sizeof context);
    if (!NT_SUCCESS(status)) return status;
    return NtSetInformationThread(thread, THREAD_WOW64_CONTEXT, context, sizeof context);
}

/* With TestAlert, APCs that are queued run first. (NtContinueEx's argument may also be a pointer.) */
static NTSTATUS go_on(CALL *call) {
    NTSTATUS status = set_context(CURRENT_THREAD, call->slots[0]);
    if (NT_SUCCESS(status) && call->slots[1] == 1) NtTestAlert();
    return status;
}

static NTSTATUS get_context(ULONG64 thread, ULONG at) {
    UCHAR context[CONTEXT32_SIZE];
    NTSTATUS status = Wow64pCopy(context, pointer(at), sizeof context);
    if (NT_SUCCESS(status)) status = NtQueryInformationThread(thread, THREAD_WOW64_CONTEXT, context, sizeof context, 0);
    return NT_SUCCESS(status) ? Wow64pCopy(pointer(at), context, sizeof context) : status;
}

#define FIELD(base, type, offset) (*(type *)((UCHAR *)(base) + (offset)))

/* The kernel gets the record and the place in its own form. */
static NTSTATUS raise_exception(CALL *call) {
    EXCEPTION_RECORD32 in;
    EXCEPTION_RECORD64 record;
    UCHAR narrow[CONTEXT32_SIZE];
    UCHAR context[CONTEXT64_SIZE] __attribute__((aligned(16))) = {0};
    NTSTATUS status = Wow64pCopy(&in, pointer(call->slots[0]), sizeof in);
    if (NT_SUCCESS(status)) status = Wow64pCopy(narrow, pointer(call->slots[1]), sizeof narrow);
    if (!NT_SUCCESS(status)) return status;
    if (in.NumberParameters > EXCEPTION_MAXIMUM_PARAMETERS) return STATUS_INVALID_PARAMETER;
    record.ExceptionCode = in.ExceptionCode;
    record.ExceptionFlags = in.ExceptionFlags;
    record.ExceptionRecord = in.ExceptionRecord;
    record.ExceptionAddress = in.ExceptionAddress;
    record.NumberParameters = in.NumberParameters;
    for (ULONG i = 0; i < in.NumberParameters; i++) record.ExceptionInformation[i] = in.ExceptionInformation[i];
    /* CONTEXT_CONTROL; CS, SS, flags, ESP, EIP. */
    FIELD(context, ULONG, 0x30) = 0x100001;
    FIELD(context, USHORT, 0x38) = CODE32;
    FIELD(context, USHORT, 0x42) = 0x2b;
    FIELD(context, ULONG, 0x44) = FIELD(narrow, ULONG, 0xc0);
    FIELD(context, ULONG64, 0x98) = FIELD(narrow, ULONG, 0xc4);
    FIELD(context, ULONG64, 0xf8) = FIELD(narrow, ULONG, 0xb8);
    call->native[0] = (ULONG64)&record;
    call->native[1] = (ULONG64)context;
    return Wow64pSystemService(call->number, call->count, call->native);
}

/* MAXIMUM_HARDERROR_PARAMETERS */
#define MAXIMUM_PARAMETERS 5

/* Its parameters are words, or by a mask pointers to strings. */
static NTSTATUS raise_hard_error(CALL *call) {
    ULONG in[MAXIMUM_PARAMETERS];
    ULONG64 out[MAXIMUM_PARAMETERS];
    UNICODE_STRING64 strings[MAXIMUM_PARAMETERS];
    ULONG count = call->slots[3] ? call->slots[1] : 0;
    if (count > MAXIMUM_PARAMETERS) count = 0;
    NTSTATUS status = Wow64pCopy(in, pointer(call->slots[3]), count * sizeof *in);
    for (ULONG i = 0; i < count && NT_SUCCESS(status); i++) {
        UNICODE_STRING32 string;
        out[i] = in[i];
        if (!(call->slots[2] >> i & 1)) continue;
        status = Wow64pCopy(&string, pointer(in[i]), sizeof string);
        strings[i] = (UNICODE_STRING64){string.Length, string.MaximumLength, string.Buffer};
        out[i] = (ULONG64)&strings[i];
    }
    if (!NT_SUCCESS(status)) return status;
    if (call->slots[3]) call->native[3] = (ULONG64)out;
    return Wow64pSystemService(call->number, call->count, call->native);
}

NTSTATUS Wow64pServiceWithContext(UCHAR special, CALL *call) {
    switch (special) {
    case CONTINUE: case CONTINUE_EX: return go_on(call);
    case GET_CONTEXT: return get_context(call->native[0], call->slots[1]);
    case RAISE_HARD_ERROR: return raise_hard_error(call);
    case SET_CONTEXT: return set_context(call->native[0], call->slots[1]);
    default: return raise_exception(call);
    }
}
