/* Exceptions that a program raises itself, and the filter for those that no handler takes. */
#include "base.h"

#define EXCEPTION_NONCONTINUABLE 1
#define PARAMETERS_MAX 15
enum { EXCEPTION_CONTINUE_EXECUTION = -1, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_EXECUTE_HANDLER };

typedef struct Record {
    unsigned code, flags;
    struct Record *chained;
    void *address;
    unsigned parameters;
    uintptr_t parameter[PARAMETERS_MAX];
} Record;
_Static_assert(sizeof(Record) == AT(152, 80), "EXCEPTION_RECORD");
typedef struct { Record *record; void *context; } Pointers;
typedef int (STDCALL *Filter)(Pointers *);

API void RtlRaiseException(Record *record);
API NTSTATUS NtRaiseHardError(NTSTATUS status, unsigned parameters, unsigned strings, const uintptr_t *values,
                              unsigned responses, unsigned *response);

/* `RaiseException`: the code's bit 28 is NT's own. */
void RaiseException(unsigned code, unsigned flags, unsigned count, const uintptr_t *parameters) {
    Record record = {.code = code & ~0x10000000u, .flags = flags & EXCEPTION_NONCONTINUABLE, .address = (void *)RaiseException};
    for (unsigned i = 0; parameters && i < count && i < PARAMETERS_MAX; i++) record.parameter[record.parameters++] = parameters[i];
    RtlRaiseException(&record);
}

static Filter filter;

/* `SetUnhandledExceptionFilter`: the one before. */
Filter SetUnhandledExceptionFilter(Filter next) { return __atomic_exchange_n(&filter, next, __ATOMIC_ACQ_REL); }

/* `UnhandledExceptionFilter`: the program's own filter; a debugger goes first. Otherwise the search goes on, and the
 * kernel reports the exception where Windows' error reporting would. */
int UnhandledExceptionFilter(Pointers *pointers) {
    Filter own = filter;
    if (FIELD(unsigned char, peb(), 2) || !own) return EXCEPTION_CONTINUE_SEARCH;
    return own(pointers);
}

#define STATUS_FATAL_APP_EXIT 0x40000015
enum { OPTION_OK = 1 };

/* `FatalAppExitA` and `FatalAppExitW`: a message, and the process's end. */
void FatalAppExitW(unsigned action, const wchar_t *message) {
    UnicodeString text = {0, 0, (wchar_t *)message};
    uintptr_t values[1] = {(uintptr_t)&text};
    unsigned response;
    (void)action;
    text.length = (uint16_t)(wide_length(message) * sizeof *message);
    text.maximum = text.length + sizeof *message;
    NtRaiseHardError(STATUS_FATAL_APP_EXIT, 1, 1, values, OPTION_OK, &response);
    NtTerminateProcess((HANDLE)-1, 0);
}

void FatalAppExitA(unsigned action, const char *message) { FatalAppExitW(action, wide_copy(message)); }
