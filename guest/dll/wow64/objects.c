/* wow64.dll: services of objects whose structures have pointers or words in them. */
#include "wow64.h"

/* The codes of guest/data/wow64_services.csv. */
enum { SET_TIMER = 25, QUERY_DIRECTORY, QUERY_SECTION, WAIT_FOR_DEBUG_EVENT, REMOVE_COMPLETIONS,
       WAIT_FOR_WORK, QUERY_WORKER_FACTORY, SET_WORKER_FACTORY };

static NTSTATUS service(const CALL *call) { return Wow64pSystemService(call->number, call->count, call->native); }

/* TIMER_SET_COALESCABLE_TIMER_INFO */
static NTSTATUS set_timer(CALL *call) {
    return call->slots[1] == 0 ? Wow64pSetStructure(call, 2, "qwwwddw") : service(call);
}

/* One entry of a directory, from the one whose number is `context` on. */
typedef struct {
    UNICODE_STRING64 name, type;
    ULONG64 end[4];
    UCHAR text[0x600];
} DIRECTORY_ENTRY;

static NTSTATUS read_entry(const CALL *call, DIRECTORY_ENTRY *entry, ULONG context) {
    CALL one = *call;
    ULONG returned = 0;
    one.native[1] = (ULONG64)entry;
    one.native[2] = sizeof *entry;
    one.native[3] = 1;
    one.native[4] = 0;
    one.native[5] = (ULONG64)&context;
    one.native[6] = (ULONG64)&returned;
    NTSTATUS status = service(&one);
    return status == STATUS_BUFFER_TOO_SMALL ? STATUS_INSUFFICIENT_RESOURCES : status;
}

/* Puts an entry at `at` and its texts at `*text`, which moves behind them. */
static NTSTATUS put_entry(const DIRECTORY_ENTRY *entry, ULONG at, ULONG *text) {
    const UNICODE_STRING64 *strings[2] = {&entry->name, &entry->type};
    NTSTATUS status = STATUS_SUCCESS;
    for (ULONG i = 0; i < 2 && NT_SUCCESS(status); i++) {
        UNICODE_STRING32 small = {strings[i]->Length, strings[i]->MaximumLength, *text};
        status = Wow64pCopy(pointer(*text), (const void *)strings[i]->Buffer, small.MaximumLength);
        if (NT_SUCCESS(status)) status = Wow64pCopy(pointer(at + i * sizeof small), &small, sizeof small);
        *text += small.MaximumLength;
    }
    return status;
}

static NTSTATUS query_directory(CALL *call) {
    enum { ENTRY = 16 };
    DIRECTORY_ENTRY entry;
    ULONG start = 0, rows = 0, total = ENTRY, single = call->slots[3] & 0xff;
    ULONG buffer = call->slots[1], context = call->slots[5], returned = call->slots[6];
    NTSTATUS fault, status = Wow64pCopy(&start, pointer(context), sizeof start);
    if (!NT_SUCCESS(status)) return status;
    if (call->slots[4] & 0xff) start = 0;
    do {
        status = read_entry(call, &entry, start + rows);
        if (status == STATUS_NO_MORE_ENTRIES && rows) status = STATUS_SUCCESS, single = 1;
        else if (status != STATUS_NO_MORE_ENTRIES && !NT_SUCCESS(status)) return status;
        else if (NT_SUCCESS(status)) {
            ULONG size = ENTRY + entry.name.MaximumLength + entry.type.MaximumLength;
            if (total + size > call->slots[2]) {
                status = single ? STATUS_BUFFER_TOO_SMALL : STATUS_MORE_ENTRIES;
                if (single) total += size;
            } else {
                total += size;
                rows++;
            }
        }
    } while (status == STATUS_SUCCESS && !single);
    ULONG text = buffer + (rows + 1) * ENTRY, next = start + rows;
    for (ULONG i = 0; i < rows && NT_SUCCESS(status); i++) {
        fault = read_entry(call, &entry, start + i);
        if (NT_SUCCESS(fault)) fault = put_entry(&entry, buffer + i * ENTRY, &text);
        if (!NT_SUCCESS(fault)) return fault;
    }
    if (NT_SUCCESS(status)) {
        fault = Wow64pCopy(pointer(context), &next, sizeof next);
        if (NT_SUCCESS(fault) && call->slots[2] >= total)
            fault = Wow64pCopy(pointer(buffer + rows * ENTRY), (const ULONG64[2]){0, 0}, ENTRY);
        if (!NT_SUCCESS(fault)) return fault;
    }
    if (status == STATUS_NO_MORE_ENTRIES) total = 0;
    fault = returned ? Wow64pCopy(pointer(returned), &total, sizeof total) : STATUS_SUCCESS;
    return NT_SUCCESS(fault) ? status : fault;
}

/* NtQuerySection: base, attributes, size; SECTION_IMAGE_INFORMATION; an address. More room than that is not minded. */
static NTSTATUS query_section(CALL *call) {
    static const struct { ULONG length; const char *format; } classes[] =
        {{0x10, "wdq"}, {0x30, "wdwwdhhdhhhbbddd"}, {4, "w"}, {4, "w"}};
    if (call->slots[1] >= sizeof classes / sizeof *classes) return service(call);
    ULONG length = classes[call->slots[1]].length;
    if (call->slots[3] > length) call->slots[3] = length;
    NTSTATUS status = Wow64pQueryStructure(call, 2, classes[call->slots[1]].format);
    /* The returned length is a SIZE_T, whose 64-bit form is copied back behind us. */
    if (NT_SUCCESS(status) && call->native[4]) *(ULONG64 *)call->native[4] = length;
    return status;
}

/* FILE_IO_COMPLETION_INFORMATION: key, context, status, information. No more than MOST are taken at a time. */
static NTSTATUS remove_completions(CALL *call) {
    enum { MOST = 64, WORDS = 4 };
    ULONG64 native[WORDS * MOST];
    ULONG small[WORDS * MOST], count;
    if (call->slots[2] > MOST) call->native[2] = MOST;
    /* The program's place must be good before a packet is taken. */
    NTSTATUS status = Wow64pCopy(small, pointer(call->slots[1]), call->slots[2] ? WORDS * sizeof *small : 0);
    if (NT_SUCCESS(status)) status = Wow64pCopy(pointer(call->slots[1]), small, call->slots[2] ? WORDS * sizeof *small : 0);
    if (!NT_SUCCESS(status)) return status;
    call->native[1] = (ULONG64)native;
    status = service(call);
    if (status != STATUS_SUCCESS) return status;
    NTSTATUS fault = Wow64pCopy(&count, pointer(call->slots[3]), sizeof count);
    for (ULONG i = 0; NT_SUCCESS(fault) && i < count * WORDS; i++) small[i] = (ULONG)native[i];
    return NT_SUCCESS(fault) ? Wow64pCopy(pointer(call->slots[1]), small, count * WORDS * sizeof *small) : fault;
}

/* DBGUI_WAIT_STATE_CHANGE: what follows the client id depends on the state. */
static const char *debug_format(ULONG state) {
    switch (state) {
    case 2: return "wdw";
    case 3: return "wwdwwdddw";
    case 4: case 5: return "d";
    case 6: case 7: case 8: return "ddwwdwwwwwwwwwwwwwwwd";
    case 9: return "wwddw";
    default: return "w";
    }
}

static NTSTATUS wait_for_debug_event(CALL *call) {
    struct { ULONG64 state, process, thread, information[20]; } native = {0};
    struct { ULONG state, process, thread, information[21]; } small = {0};
    /* The program's place must be good before an event is taken. */
    NTSTATUS status = Wow64pCopy(&small, pointer(call->slots[3]), sizeof small);
    if (NT_SUCCESS(status)) status = Wow64pCopy(pointer(call->slots[3]), &small, sizeof small);
    if (!NT_SUCCESS(status)) return status;
    call->native[3] = (ULONG64)&native;
    status = service(call);
    if (status != STATUS_SUCCESS) return status;
    for (ULONG i = 0; i < sizeof small.information / 4; i++) small.information[i] = 0;
    small.state = (ULONG)native.state;
    small.process = (ULONG)native.process;
    small.thread = (ULONG)native.thread;
    Wow64pNarrow(debug_format(small.state), native.information, small.information);
    if (small.state >= 6 && small.state <= 8) {
        if ((NTSTATUS)small.information[0] == STATUS_WX86_BREAKPOINT) small.information[0] = (ULONG)STATUS_BREAKPOINT;
        if ((NTSTATUS)small.information[0] == STATUS_WX86_SINGLE_STEP) small.information[0] = (ULONG)STATUS_SINGLE_STEP;
    }
    return Wow64pCopy(pointer(call->slots[3]), &small, sizeof small);
}

/* NtWaitForWorkViaWorkerFactory: such packets; one, where there is no count (before Windows 8). */
static NTSTATUS wait_for_work(CALL *call) {
    enum { WORDS = 4 };
    ULONG64 native[WORDS];
    ULONG small[WORDS];
    NTSTATUS status = Wow64pCopy(small, pointer(call->slots[1]), sizeof small);
    if (NT_SUCCESS(status)) status = Wow64pCopy(pointer(call->slots[1]), small, sizeof small);
    if (!NT_SUCCESS(status)) return status;
    if (call->count > 2 && call->slots[2] > 1) call->native[2] = 1;
    call->native[1] = (ULONG64)native;
    status = service(call);
    if (status != STATUS_SUCCESS) return status;
    for (ULONG i = 0; i < WORDS; i++) small[i] = (ULONG)native[i];
    return Wow64pCopy(pointer(call->slots[1]), small, sizeof small);
}

NTSTATUS Wow64pServiceOfObject(UCHAR special, CALL *call) {
    switch (special) {
    case SET_TIMER: return set_timer(call);
    case QUERY_DIRECTORY: return query_directory(call);
    case QUERY_SECTION: return query_section(call);
    case REMOVE_COMPLETIONS: return remove_completions(call);
    case WAIT_FOR_WORK: return wait_for_work(call);
    case QUERY_WORKER_FACTORY:
        return call->slots[1] == 7 ? Wow64pQueryStructure(call, 2, "qqqbbbbbbbdddddddqwwwwwd") : service(call);
    case SET_WORKER_FACTORY: return call->slots[1] == 10 ? Wow64pSetStructure(call, 2, "ww") : service(call);
    case WAIT_FOR_DEBUG_EVENT: return wait_for_debug_event(call);
    default: return service(call);
    }
}
