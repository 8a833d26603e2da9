/* wow64.dll: a 32-bit program's system calls, argument by argument.
 *
 * What each argument needs is data: the loader puts a table for the build into the process (guest/src/wow64.rs says
 * what the codes mean). Structures are copied to the 64-bit stack in their 64-bit form and back. */
#include "wow64.h"

/* For each service a place in `codes`: special, count, then a code for each argument. 0: nobody knows the service's
 * arguments, and they are passed on as they are. */
typedef struct {
    ULONG limit;
    const ULONG *offsets;
} SERVICE_TABLE;
typedef struct {
    SERVICE_TABLE tables[2];
    const UCHAR *codes;
} SERVICES;

/* Set by the loader. */
__declspec(dllexport) const SERVICES *Wow64ServiceTables;

/* Room for the 64-bit forms of one call's structures. */
typedef union {
    struct {
        OBJECT_ATTRIBUTES64 attributes;
        UNICODE_STRING64 name;
        SECURITY_DESCRIPTOR64 descriptor;
    } object;
    SECURITY_DESCRIPTOR64 descriptor;
    UNICODE_STRING64 string;
    ULONG64 words[2];
} SCRATCH;

NTSTATUS Wow64pReadString(UNICODE_STRING64 *to, ULONG from) {
    UNICODE_STRING32 string;
    NTSTATUS status = Wow64pCopy(&string, pointer(from), sizeof string);
    to->Length = string.Length;
    to->MaximumLength = string.MaximumLength;
    to->Buffer = string.Buffer;
    return status;
}

/* A security descriptor: a self-relative one, which has no pointers, as it is. */
static NTSTATUS read_descriptor(ULONG64 *native, SECURITY_DESCRIPTOR64 *to, ULONG from) {
    SECURITY_DESCRIPTOR32 in;
    *native = from;
    if (!from) return STATUS_SUCCESS;
    NTSTATUS status = Wow64pCopy(&in, pointer(from), sizeof(ULONG));
    if (!NT_SUCCESS(status) || in.Control & SE_SELF_RELATIVE) return status;
    status = Wow64pCopy(&in, pointer(from), sizeof in);
    to->Revision = in.Revision;
    to->Sbz1 = in.Sbz1;
    to->Control = in.Control;
    to->Owner = in.Owner;
    to->Group = in.Group;
    to->Sacl = in.Sacl;
    to->Dacl = in.Dacl;
    *native = (ULONG64)to;
    return status;
}

static NTSTATUS read_object_attributes(SCRATCH *scratch, ULONG from) {
    OBJECT_ATTRIBUTES32 in;
    OBJECT_ATTRIBUTES64 *out = &scratch->object.attributes;
    NTSTATUS status = Wow64pCopy(&in, pointer(from), sizeof in);
    if (!NT_SUCCESS(status)) return status;
    /* A wrong length stays wrong. */
    out->Length = in.Length == sizeof in ? sizeof *out : 0;
    out->RootDirectory = sign_extend(in.RootDirectory);
    out->Attributes = in.Attributes;
    status = read_descriptor(&out->SecurityDescriptor, &scratch->object.descriptor, in.SecurityDescriptor);
    if (!NT_SUCCESS(status)) return status;
    out->SecurityQualityOfService = in.SecurityQualityOfService;
    out->ObjectName = 0;
    if (in.ObjectName) {
        out->ObjectName = (ULONG64)&scratch->object.name;
        status = Wow64pReadString(&scratch->object.name, in.ObjectName);
        if (NT_SUCCESS(status) && !in.RootDirectory) status = Wow64pRedirect(&scratch->object.name);
    }
    return status;
}

/* One or two words of the program's, widened. */
static NTSTATUS read_words(SCRATCH *scratch, ULONG from, ULONG count, int is_signed) {
    ULONG words[2] = {0, 0};
    NTSTATUS status = Wow64pCopy(words, pointer(from), count * sizeof *words);
    for (ULONG i = 0; i < count; i++) scratch->words[i] = is_signed ? sign_extend(words[i]) : words[i];
    return status;
}

static NTSTATUS write_words(ULONG to, const SCRATCH *scratch, ULONG count) {
    ULONG words[2] = {(ULONG)scratch->words[0], (ULONG)scratch->words[1]};
    return Wow64pCopy(pointer(to), words, count * sizeof *words);
}

/* An IO_STATUS_BLOCK: the kernel finds the program's own in its Pointer, and tells that itself of what ends later. */
static NTSTATUS read_status_block(SCRATCH *scratch, ULONG from) {
    NTSTATUS status = read_words(scratch, from, 2, 0);
    scratch->words[0] = from;
    return status;
}

static NTSTATUS write_status_block(ULONG to, const SCRATCH *scratch) {
    return scratch->words[0] == to ? STATUS_SUCCESS : write_words(to, scratch, 2);
}

static NTSTATUS write_string(ULONG to, const UNICODE_STRING64 *from) {
    UNICODE_STRING32 string = {from->Length, from->MaximumLength, (ULONG)from->Buffer};
    return Wow64pCopy(pointer(to), &string, sizeof string);
}

/* Room for the lists of one call. The stack grows by a page at a time, and all that a call needs is less. */
#define POOL_WORDS 160
typedef struct {
    ULONG used;
    ULONG64 words[POOL_WORDS];
} POOL;

static ULONG64 *take(POOL *pool, ULONG count) {
    if (count > POOL_WORDS - pool->used) return 0;
    ULONG64 *words = pool->words + pool->used;
    pool->used += count;
    return words;
}

/* An array of handles whose count is the argument before it. Too many of them are the kernel's to refuse. */
static NTSTATUS read_handles(ULONG64 *native, POOL *pool, ULONG from, ULONG count) {
    ULONG handle;
    NTSTATUS status = STATUS_SUCCESS;
    if (count > MAXIMUM_WAIT_OBJECTS) count = 0;
    ULONG64 *to = take(pool, count);
    if (!to) return STATUS_INSUFFICIENT_RESOURCES;
    for (ULONG i = 0; i < count && NT_SUCCESS(status); i++) {
        status = Wow64pCopy(&handle, pointer(from + i * sizeof handle), sizeof handle);
        to[i] = sign_extend(handle);
    }
    *native = (ULONG64)to;
    return status;
}

/* Pairs of words, of which one is a pointer: SID_AND_ATTRIBUTES, and OBJECT_TYPE_LIST the other way round. `head`: a count
 * that stays before them. */
static NTSTATUS read_pairs(ULONG64 *native, POOL *pool, ULONG from, ULONG count, const ULONG *head) {
    ULONG words[2];
    NTSTATUS status = STATUS_SUCCESS;
    if (count > POOL_WORDS) return STATUS_INSUFFICIENT_RESOURCES;
    ULONG64 *to = take(pool, 2 * count + (head ? 1 : 0));
    if (!to) return STATUS_INSUFFICIENT_RESOURCES;
    *native = (ULONG64)to;
    if (head) *to++ = *head;
    for (ULONG i = 0; i < count && NT_SUCCESS(status); i++) {
        status = Wow64pCopy(words, pointer(from + i * sizeof words), sizeof words);
        to[2 * i] = words[0];
        to[2 * i + 1] = words[1];
    }
    return status;
}

static NTSTATUS read_groups(ULONG64 *native, POOL *pool, ULONG from) {
    ULONG count;
    NTSTATUS status = Wow64pCopy(&count, pointer(from), sizeof count);
    return NT_SUCCESS(status) ? read_pairs(native, pool, from + sizeof count, count, &count) : status;
}

/* Widens argument `index`, whose first slot is `slot`. */
static NTSTATUS widen(CALL *call, ULONG index, ULONG slot, SCRATCH *scratch, POOL *pool) {
    ULONG value = call->slots[slot];
    ULONG64 *native = &call->native[index];
    *native = value;
    switch (call->codes[index]) {
    case 's': *native = sign_extend(value); return STATUS_SUCCESS;
    case 'q': *native = value | (ULONG64)call->slots[slot + 1] << 32; return STATUS_SUCCESS;
    case 'z': return STATUS_SUCCESS;
    }
    if (!value) return STATUS_SUCCESS;
    *native = (ULONG64)scratch;
    switch (call->codes[index]) {
    case 'A': return read_object_attributes(scratch, value);
    case 'S': return read_descriptor(native, &scratch->descriptor, value);
    case 'U': case 'u': return Wow64pReadString(&scratch->string, value);
    case 'w': return read_words(scratch, value, 1, 0);
    case 'h': return read_words(scratch, value, 1, 1);
    case 'c': case 'C': return read_words(scratch, value, 2, 1);
    case 'b': return read_status_block(scratch, value);
    case 'p': return read_words(scratch, value, 1, 0);
    case 'H': return read_handles(native, pool, value, index ? call->slots[slot - 1] : 0);
    case 'G': return read_groups(native, pool, value);
    case 'Y': return read_pairs(native, pool, value, 1, 0);
    case 'Q': return read_pairs(native, pool, value, index ? call->slots[slot - 1] : 0, 0);
    case 'T': return read_pairs(native, pool, value, call->slots[slot + 1], 0);
    }
    return STATUS_SUCCESS;
}

/* Copies back what the kernel may have written. */
static NTSTATUS narrow(const CALL *call, ULONG index, ULONG slot, const SCRATCH *scratch) {
    ULONG to = call->slots[slot];
    if (!to) return STATUS_SUCCESS;
    switch (call->codes[index]) {
    case 'w': case 'h': return write_words(to, scratch, 1);
    case 'b': return write_status_block(to, scratch);
    case 'c': return write_words(to, scratch, 2);
    case 'u': return write_string(to, &scratch->string);
    }
    return STATUS_SUCCESS;
}

static ULONG slots_of(UCHAR code) { return code == 'q' ? 2 : 1; }

/* Wow64SystemServiceEx: the service `number` with arguments at `arguments` in 32-bit memory. */
__declspec(dllexport) NTSTATUS Wow64SystemServiceEx(ULONG number, const ULONG *arguments) {
    const SERVICES *services = Wow64ServiceTables;
    const SERVICE_TABLE *table = &services->tables[number >> 12 & 1];
    ULONG row = number & 0xfff;
    ULONG offset = row < table->limit ? table->offsets[row] : 0;
    if (!offset) return Wow64pSystemService(number, 0, (const ULONG64[4]){0});
    const UCHAR *code = services->codes + offset;
    SCRATCH scratch[MAX_SLOTS];
    POOL pool;
    pool.used = 0;
    CALL call = {.number = number, .codes = code + 2, .count = code[1]};
    ULONG slots = 0;
    for (ULONG i = 0; i < call.count; i++) slots += slots_of(call.codes[i]);
    if (slots > MAX_SLOTS) return STATUS_INVALID_SYSTEM_SERVICE;
    NTSTATUS status = Wow64pCopy(call.slots, arguments, slots * sizeof *arguments);
    for (ULONG i = 0, slot = 0; i < call.count && NT_SUCCESS(status); slot += slots_of(call.codes[i++]))
        status = widen(&call, i, slot, &scratch[i], &pool);
    if (!NT_SUCCESS(status)) return status;
    if (code[0])
        status = Wow64pServiceWithClass(code[0], &call);
    else
        status = Wow64pSystemService(number, call.count, call.native);
    for (ULONG i = 0, slot = 0; i < call.count; slot += slots_of(call.codes[i++])) {
        NTSTATUS fault = narrow(&call, i, slot, &scratch[i]);
        if (!NT_SUCCESS(fault)) return fault;
    }
    return status;
}
