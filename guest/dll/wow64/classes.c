/* wow64.dll: services whose structures depend on an information class, and where memory may lie. */
#include "wow64.h"

/* The codes of guest/data/wow64_services.csv. */
enum { QUERY_VIRTUAL_MEMORY = 1, QUERY_PROCESS, QUERY_THREAD, QUERY_SYSTEM, ALLOCATE_VIRTUAL_MEMORY, MAP_VIEW,
       QUERY_TOKEN, SET_PROCESS, SET_THREAD, SET_FILE, FIRST_OF_CONTEXTS,
       QUERY_MULTIPLE_VALUES = 17, QUERY_OBJECT, QUERY_JOB, SET_JOB, CREATE_USER_PROCESS, CREATE_THREAD_EX,
       SET_TOKEN, ADJUST_GROUPS, FIRST_OF_OBJECTS };

#define PROCESS_WOW64_INFORMATION 26
/* TEB32 lies this far behind TEB64. */
#define TEB32_OFFSET 0x2000
#define TEB_SELF 0x30

typedef struct {
    ULONG64 BaseAddress, AllocationBase;
    ULONG AllocationProtect, PartitionId;
    ULONG64 RegionSize;
    ULONG State, Protect, Type, pad;
} MEMORY_BASIC_INFORMATION64;
typedef struct {
    ULONG BaseAddress, AllocationBase, AllocationProtect, RegionSize, State, Protect, Type;
} MEMORY_BASIC_INFORMATION32;
typedef struct {
    NTSTATUS ExitStatus;
    ULONG64 PebBaseAddress, AffinityMask;
    int BasePriority;
    ULONG64 UniqueProcessId, InheritedFromUniqueProcessId;
} PROCESS_BASIC_INFORMATION64;
typedef struct {
    ULONG ExitStatus, PebBaseAddress, AffinityMask, BasePriority, UniqueProcessId, InheritedFromUniqueProcessId;
} PROCESS_BASIC_INFORMATION32;
typedef struct {
    NTSTATUS ExitStatus;
    ULONG64 TebBaseAddress, UniqueProcess, UniqueThread, AffinityMask;
    ULONG Priority, BasePriority;
} THREAD_BASIC_INFORMATION64;
typedef struct {
    ULONG ExitStatus, TebBaseAddress, UniqueProcess, UniqueThread, AffinityMask, Priority, BasePriority;
} THREAD_BASIC_INFORMATION32;
typedef struct {
    ULONG fixed[7];
    ULONG64 words[4];
} SYSTEM_BASIC_INFORMATION64;
typedef struct {
    ULONG fixed[7];
    ULONG words[3], NumberOfProcessors;
} SYSTEM_BASIC_INFORMATION32;

static NTSTATUS service(const CALL *call) { return Wow64pSystemService(call->number, call->count, call->native); }

/* Calls with another buffer: the one of the native form. */
NTSTATUS Wow64pWithBuffer(const CALL *call, ULONG buffer, void *native, ULONG64 length, void *returned) {
    CALL other = *call;
    other.native[buffer] = (ULONG64)native;
    other.native[buffer + 1] = length;
    other.native[buffer + 2] = (ULONG64)returned;
    return service(&other);
}

/* Hands a structure over: buffer, length and returned length are arguments `buffer` and the two behind it. */
NTSTATUS Wow64pHandOver(const CALL *call, ULONG buffer, const void *from, ULONG length) {
    NTSTATUS status = Wow64pCopy(pointer(call->slots[buffer]), from, length);
    ULONG returned = call->slots[buffer + 2];
    if (NT_SUCCESS(status) && returned) status = Wow64pCopy(pointer(returned), &length, sizeof length);
    return status;
}

static NTSTATUS query_virtual_memory(CALL *call) {
    MEMORY_BASIC_INFORMATION64 in;
    MEMORY_BASIC_INFORMATION32 out;
    if (call->slots[2] != 0) return service(call);
    if (call->slots[4] < sizeof out) return STATUS_INFO_LENGTH_MISMATCH;
    if (call->slots[1] > HIGHEST_USER_ADDRESS) return STATUS_INVALID_PARAMETER;
    NTSTATUS status = Wow64pWithBuffer(call, 3, &in, sizeof in, 0);
    if (!NT_SUCCESS(status)) return status;
    ULONG64 end = in.BaseAddress + in.RegionSize;
    if (end > HIGHEST_USER_ADDRESS + 1ull) end = HIGHEST_USER_ADDRESS + 1ull;
    out.BaseAddress = (ULONG)in.BaseAddress;
    out.AllocationBase = (ULONG)in.AllocationBase;
    out.AllocationProtect = in.AllocationProtect;
    out.RegionSize = (ULONG)(end - in.BaseAddress);
    out.State = in.State;
    out.Protect = in.Protect;
    out.Type = in.Type;
    status = Wow64pCopy(pointer(call->slots[3]), &out, sizeof out);
    /* The returned length is a SIZE_T, whose 64-bit form is copied back behind us. */
    if (NT_SUCCESS(status) && call->native[5]) *(ULONG64 *)call->native[5] = sizeof out;
    return status;
}

/* A number as wide as a pointer. */
static NTSTATUS query_process_word(CALL *call) {
    ULONG64 value;
    ULONG word;
    if (call->slots[3] != sizeof word) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pWithBuffer(call, 2, &value, sizeof value, 0);
    word = (ULONG)value;
    return NT_SUCCESS(status) ? Wow64pHandOver(call, 2, &word, sizeof word) : status;
}

static NTSTATUS query_process_basic(CALL *call) {
    PROCESS_BASIC_INFORMATION64 in;
    PROCESS_BASIC_INFORMATION32 out;
    ULONG64 peb32 = 0;
    if (call->slots[3] != sizeof out) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pWithBuffer(call, 2, &in, sizeof in, 0);
    if (!NT_SUCCESS(status)) return status;
    CALL wow64 = *call;
    wow64.native[1] = PROCESS_WOW64_INFORMATION;
    status = Wow64pWithBuffer(&wow64, 2, &peb32, sizeof peb32, 0);
    if (!NT_SUCCESS(status)) return status;
    out.ExitStatus = in.ExitStatus;
    out.PebBaseAddress = (ULONG)(peb32 ? peb32 : in.PebBaseAddress);
    out.AffinityMask = (ULONG)in.AffinityMask;
    out.BasePriority = in.BasePriority;
    out.UniqueProcessId = (ULONG)in.UniqueProcessId;
    out.InheritedFromUniqueProcessId = (ULONG)in.InheritedFromUniqueProcessId;
    return Wow64pHandOver(call, 2, &out, sizeof out);
}

/* VM_COUNTERS, with PrivateUsage, and with two more. */
static NTSTATUS query_vm_counters(CALL *call) {
    switch (call->slots[3]) {
    case 0x2c: return Wow64pQueryStructure(call, 2, "wwdwwwwwwww");
    case 0x30: return Wow64pQueryStructure(call, 2, "wwdwwwwwwwww");
    default: return Wow64pQueryStructure(call, 2, "wwdwwwwwwwwwwq");
    }
}

static NTSTATUS query_process(CALL *call) {
    switch (call->slots[1]) {
    case 0: return query_process_basic(call);
    case 1: return Wow64pQueryStructure(call, 2, "wwwwwq");
    case 3: return query_vm_counters(call);
    case 7: case PROCESS_WOW64_INFORMATION: case 30: return query_process_word(call);
    case 14: return Wow64pQueryStructure(call, 2, "wwwwwww");
    case 21: return Wow64pQueryStructure(call, 2, "whhhh");
    case 27: case 43: case 60: return Wow64pQueryString(call, 2, STATUS_INFO_LENGTH_MISMATCH);
    /* SECTION_IMAGE_INFORMATION, PROCESS_HANDLE_SNAPSHOT_INFORMATION */
    case 37: return Wow64pQueryStructure(call, 2, "wdwwdhhdhhhbbddd");
    case 51: return Wow64pQueryCounted(call, 2, "ww", "wwwdddd", 0);
    default: return service(call);
    }
}

static NTSTATUS query_thread(CALL *call) {
    THREAD_BASIC_INFORMATION64 in;
    THREAD_BASIC_INFORMATION32 out;
    switch (call->slots[1]) {
    case 0: break;
    case 9: return Wow64pQueryStructure(call, 2, "w");
    case 30: return Wow64pQueryStructure(call, 2, "whhhh");
    case 38: return Wow64pQueryString(call, 2, STATUS_BUFFER_TOO_SMALL);
    case 40: return Wow64pQueryStructure(call, 2, "qqqdwwwddddd");
    default: return service(call);
    }
    if (call->slots[3] != sizeof out) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pWithBuffer(call, 2, &in, sizeof in, 0);
    if (!NT_SUCCESS(status)) return status;
    out.ExitStatus = in.ExitStatus;
    out.TebBaseAddress = (ULONG)in.TebBaseAddress + TEB32_OFFSET;
    out.UniqueProcess = (ULONG)in.UniqueProcess;
    out.UniqueThread = (ULONG)in.UniqueThread;
    out.AffinityMask = (ULONG)in.AffinityMask;
    out.Priority = in.Priority;
    out.BasePriority = in.BasePriority;
    return Wow64pHandOver(call, 2, &out, sizeof out);
}

static NTSTATUS query_system(CALL *call) {
    SYSTEM_BASIC_INFORMATION64 in;
    SYSTEM_BASIC_INFORMATION32 out;
    switch (call->slots[0]) {
    case 0: case 62: break;
    /* Of the processor that 32-bit code sees: SystemEmulationProcessorInformation. */
    case 1: call->native[0] = 63; return service(call);
    case 5: return Wow64pQueryProcesses(call, 0);
    case 57: return Wow64pQueryProcesses(call, 1);
    case 11: return Wow64pQueryCounted(call, 1, "w", "wwwddhhhh", 256);
    case 16: return Wow64pQueryCounted(call, 1, "w", "hhbbhwd", 0);
    case 64: return Wow64pQueryCounted(call, 1, "ww", "wwwdhhdd", 0);
    case 21: return Wow64pQueryStructure(call, 1, "wwdwwwwdd");
    case 37: return Wow64pQueryStructure(call, 1, "ddw");
    case 50: return Wow64pQueryStructure(call, 1, "w");
    default: return service(call);
    }
    if (call->slots[2] != sizeof out) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pWithBuffer(call, 1, &in, sizeof in, 0);
    if (!NT_SUCCESS(status)) return status;
    for (int i = 0; i < 7; i++) out.fixed[i] = in.fixed[i];
    out.words[0] = (ULONG)in.words[0];
    out.words[1] = HIGHEST_USER_ADDRESS;
    out.words[2] = (ULONG)in.words[2];
    out.NumberOfProcessors = (ULONG)in.words[3] & 0xff;
    return Wow64pHandOver(call, 1, &out, sizeof out);
}

/* Memory without an address must come where 32-bit code can reach it. */
static NTSTATUS allocate_virtual_memory(CALL *call) {
    if (!call->slots[2]) call->native[2] = 0x7fffffff;
    return service(call);
}

/* So must a view. */
static NTSTATUS map_view(CALL *call) {
    if (!call->slots[3]) call->native[3] = 0x7fffffff;
    return service(call);
}

/* Where the pointers of a token's information are: how many bytes its head has in 64 bits and how many it loses, for
 * each pointer and its attributes 8 of 16. */
typedef struct {
    ULONG count, first, step, lost;
} TOKEN_POINTERS;

static TOKEN_POINTERS token_pointers(ULONG class, const ULONG *data) {
    switch (class) {
    /* TOKEN_USER, TOKEN_MANDATORY_LABEL: a SID_AND_ATTRIBUTES. */
    case 1: case 25: return (TOKEN_POINTERS){1, 0, 16, 8};
    /* TOKEN_GROUPS: as many as the count before them says; logon SID, device groups and capabilities too. */
    case 2: case 11: case 28: case 30: case 37: case 38: return (TOKEN_POINTERS){data[0], 8, 16, 8};
    /* TOKEN_OWNER, TOKEN_PRIMARY_GROUP, TOKEN_DEFAULT_DACL, TOKEN_APPCONTAINER_INFORMATION: a pointer. */
    case 4: case 5: case 6: case 31: return (TOKEN_POINTERS){1, 0, 8, 4};
    default: return (TOKEN_POINTERS){0, 0, 0, 0};
    }
}

/* Narrows what `native` has in place, for a program's buffer at `to`; its new length. */
static ULONG narrow_token(TOKEN_POINTERS at, UCHAR *native, ULONG length, ULONG to) {
    ULONG head = at.first + at.count * at.step, narrow_first = at.first / 2;
    ULONG narrow_step = at.step - at.lost, narrow_head = narrow_first + at.count * narrow_step;
    for (ULONG i = 0; i < at.count; i++) {
        ULONG64 address = *(ULONG64 *)(native + at.first + i * at.step);
        ULONG attributes = *(ULONG *)(native + at.first + i * at.step + 8);
        ULONG *out = (ULONG *)(native + narrow_first + i * narrow_step);
        out[0] = address ? to + (ULONG)(address - (ULONG64)native) - (head - narrow_head) : 0;
        if (narrow_step == 8) out[1] = attributes;
    }
    for (ULONG i = head; i < length; i++) native[i - (head - narrow_head)] = native[i];
    return length - (head - narrow_head);
}

/* More than any token here has; longer information is refused with the kernel's status. */
#define TOKEN_BUFFER 4096

static NTSTATUS query_token(CALL *call) {
    union {
        UCHAR bytes[TOKEN_BUFFER];
        ULONG words[2];
    } native;
    ULONG returned = 0;
    if (!token_pointers(call->slots[1], (const ULONG[2]){1, 0}).step) return service(call);
    NTSTATUS status = Wow64pWithBuffer(call, 2, native.bytes, sizeof native, &returned);
    if (!NT_SUCCESS(status)) return status;
    TOKEN_POINTERS at = token_pointers(call->slots[1], native.words);
    ULONG length = narrow_token(at, native.bytes, returned, call->slots[2]);
    if (call->slots[4]) status = Wow64pCopy(pointer(call->slots[4]), &length, sizeof length);
    if (!NT_SUCCESS(status)) return status;
    if (call->slots[3] < length) return STATUS_BUFFER_TOO_SMALL;
    return Wow64pCopy(pointer(call->slots[2]), native.bytes, length);
}

/* NtQueryMultipleValueKey: an array of names that the kernel fills in. More of them than this are not asked for. */
#define MOST_VALUES 128
typedef struct {
    ULONG64 ValueName;
    ULONG DataLength, DataOffset, Type, pad;
} KEY_VALUE_ENTRY64;
typedef struct {
    ULONG ValueName, DataLength, DataOffset, Type;
} KEY_VALUE_ENTRY32;

static NTSTATUS query_multiple_values(CALL *call) {
    KEY_VALUE_ENTRY64 native[MOST_VALUES];
    UNICODE_STRING64 names[MOST_VALUES];
    KEY_VALUE_ENTRY32 entry;
    UNICODE_STRING32 name;
    ULONG count = call->slots[2], at = call->slots[1];
    if (count > MOST_VALUES) return STATUS_INSUFFICIENT_RESOURCES;
    for (ULONG i = 0; i < count; i++) {
        NTSTATUS status = Wow64pCopy(&entry, pointer(at + i * sizeof entry), sizeof entry);
        if (NT_SUCCESS(status)) status = Wow64pCopy(&name, pointer(entry.ValueName), sizeof name);
        if (!NT_SUCCESS(status)) return status;
        names[i] = (UNICODE_STRING64){name.Length, name.MaximumLength, name.Buffer};
        native[i] = (KEY_VALUE_ENTRY64){(ULONG64)&names[i], entry.DataLength, entry.DataOffset, entry.Type, 0};
    }
    call->native[1] = (ULONG64)native;
    NTSTATUS status = service(call);
    for (ULONG i = 0; i < count; i++) {
        NTSTATUS fault = Wow64pCopy(pointer(at + i * sizeof entry + 4), &native[i].DataLength, 3 * sizeof(ULONG));
        if (!NT_SUCCESS(fault)) return fault;
    }
    return status;
}

/* Calls with one or two widened words in place of the buffer, which argument 2 is. */
static NTSTATUS set_words(CALL *call, ULONG count, int is_signed) {
    ULONG words[2];
    ULONG64 native[2];
    if (call->slots[3] != count * sizeof *words) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pCopy(words, pointer(call->slots[2]), count * sizeof *words);
    for (ULONG i = 0; i < count; i++) native[i] = is_signed ? sign_extend(words[i]) : words[i];
    if (!NT_SUCCESS(status)) return status;
    call->native[2] = (ULONG64)native;
    call->native[3] = count * sizeof *native;
    return service(call);
}

static NTSTATUS set_process(CALL *call) {
    switch (call->slots[1]) {
    /* ProcessAccessToken: two handles. ProcessAffinityMask. */
    case 9: return set_words(call, 2, 1);
    case 21: return set_words(call, 1, 0);
    default: return service(call);
    }
}

/* ThreadNameInformation: a UNICODE_STRING. */
static NTSTATUS set_name(CALL *call) {
    UNICODE_STRING64 name;
    if (call->slots[3] != sizeof(UNICODE_STRING32)) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pReadString(&name, call->slots[2]);
    if (!NT_SUCCESS(status)) return status;
    call->native[2] = (ULONG64)&name;
    call->native[3] = sizeof name;
    return service(call);
}

static NTSTATUS set_thread(CALL *call) {
    switch (call->slots[1]) {
    case 38: return set_name(call);
    /* ThreadImpersonationToken; ThreadAffinityMask, ThreadQuerySetWin32StartAddress. */
    case 5: return set_words(call, 1, 1);
    case 4: case 9: return set_words(call, 1, 0);
    default: return service(call);
    }
}

/* FILE_RENAME_INFORMATION and FILE_LINK_INFORMATION: flags, a directory's handle, a length, a name. */
#define NAME_BUFFER 4096

static NTSTATUS set_file_name(CALL *call) {
    struct { ULONG flags, directory, length; } in;
    union {
        struct { ULONG flags, pad; ULONG64 directory; ULONG length; UCHAR name[NAME_BUFFER]; } fields;
        ULONG64 align;
    } native;
    ULONG length = call->slots[3];
    /* Too short is the kernel's to refuse: the 64-bit form must then be too short as well. */
    if (length < 16) return Wow64pWithBuffer(call, 2, &native, 1, (void *)call->native[4]);
    if (length - sizeof in > NAME_BUFFER) return STATUS_INVALID_PARAMETER;
    NTSTATUS status = Wow64pCopy(&in, pointer(call->slots[2]), sizeof in);
    if (!NT_SUCCESS(status)) return status;
    native.fields.flags = in.flags;
    native.fields.directory = sign_extend(in.directory);
    native.fields.length = in.length;
    status = Wow64pCopy(native.fields.name, pointer(call->slots[2] + sizeof in), length - sizeof in);
    if (!NT_SUCCESS(status)) return status;
    ULONG64 size = 20 + (length - sizeof in);
    return Wow64pWithBuffer(call, 2, &native, size < 24 ? 24 : size, (void *)call->native[4]);
}

/* FILE_COMPLETION_INFORMATION: a port's handle and a key. */
static NTSTATUS set_file_port(CALL *call) {
    ULONG in[2];
    ULONG64 native[2];
    if (call->slots[3] < sizeof in) return Wow64pWithBuffer(call, 2, native, 1, (void *)call->native[4]);
    NTSTATUS status = Wow64pCopy(in, pointer(call->slots[2]), sizeof in);
    if (!NT_SUCCESS(status)) return status;
    native[0] = sign_extend(in[0]);
    native[1] = in[1];
    return Wow64pWithBuffer(call, 2, native, sizeof native, (void *)call->native[4]);
}

/* FILE_MAILSLOT_SET_INFORMATION: where a time is. */
static NTSTATUS set_mailslot(CALL *call) {
    ULONG in;
    ULONG64 native;
    if (call->slots[3] < sizeof in) return Wow64pWithBuffer(call, 2, &native, 1, (void *)call->native[4]);
    NTSTATUS status = Wow64pCopy(&in, pointer(call->slots[2]), sizeof in);
    native = in;
    return NT_SUCCESS(status) ? Wow64pWithBuffer(call, 2, &native, sizeof native, (void *)call->native[4]) : status;
}

static NTSTATUS set_file(CALL *call) {
    switch (call->slots[4]) {
    case 10: case 11: case 65: case 72: return set_file_name(call);
    case 27: return set_mailslot(call);
    case 30: case 61: return set_file_port(call);
    default: return service(call);
    }
}

/* ObjectNameInformation is a counted string, and a type's begins with one. */
static NTSTATUS query_object(CALL *call) {
    switch (call->slots[1]) {
    case 1: return Wow64pQueryString(call, 2, STATUS_INFO_LENGTH_MISMATCH);
    case 2: return Wow64pQueryType(call);
    case 3: return Wow64pQueryTypes(call);
    default: return service(call);
    }
}

/* What is set of a token by a pointer (owner, primary group, default DACL), or by one with attributes (its label). */
static NTSTATUS set_token(CALL *call) {
    ULONG words[2] = {0, 0};
    ULONG64 native[2];
    ULONG count = call->slots[1] == 25 ? 2 : 1;
    if (call->slots[1] != 25 && (call->slots[1] < 4 || call->slots[1] > 6)) return service(call);
    if (call->slots[3] < count * sizeof *words) return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = Wow64pCopy(words, pointer(call->slots[2]), count * sizeof *words);
    if (!NT_SUCCESS(status)) return status;
    native[0] = words[0];
    native[1] = words[1];
    call->native[2] = (ULONG64)native;
    /* What is said to lie behind it lies behind it here too. */
    call->native[3] = call->slots[3] + count * sizeof *words;
    return service(call);
}

/* NtAdjustGroupsToken: the state before is a list of groups. */
static NTSTATUS adjust_groups(CALL *call) {
    union {
        UCHAR bytes[TOKEN_BUFFER];
        ULONG words[2];
    } native;
    ULONG returned = 0;
    if (!call->slots[4]) return service(call);
    call->native[3] = call->slots[3] < sizeof native / 2 ? 2 * call->slots[3] : sizeof native;
    call->native[4] = (ULONG64)native.bytes;
    call->native[5] = (ULONG64)&returned;
    NTSTATUS status = service(call);
    if (!NT_SUCCESS(status) && status != STATUS_BUFFER_TOO_SMALL) return status;
    ULONG length = returned;
    if (NT_SUCCESS(status)) length = narrow_token((TOKEN_POINTERS){native.words[0], 8, 16, 8}, native.bytes, returned, call->slots[4]);
    NTSTATUS fault = call->slots[5] ? Wow64pCopy(pointer(call->slots[5]), &length, sizeof length) : STATUS_SUCCESS;
    if (!NT_SUCCESS(fault) || !NT_SUCCESS(status)) return NT_SUCCESS(fault) ? status : fault;
    return Wow64pCopy(pointer(call->slots[4]), native.bytes, length);
}

NTSTATUS Wow64pServiceWithClass(UCHAR special, CALL *call) {
    switch (special) {
    case QUERY_VIRTUAL_MEMORY: return query_virtual_memory(call);
    case QUERY_PROCESS: return query_process(call);
    case QUERY_THREAD: return query_thread(call);
    case QUERY_SYSTEM: return query_system(call);
    case ALLOCATE_VIRTUAL_MEMORY: return allocate_virtual_memory(call);
    case MAP_VIEW: return map_view(call);
    case QUERY_TOKEN: return query_token(call);
    case QUERY_OBJECT: return query_object(call);
    case SET_TOKEN: return set_token(call);
    case ADJUST_GROUPS: return adjust_groups(call);
    case QUERY_MULTIPLE_VALUES: return query_multiple_values(call);
    case CREATE_USER_PROCESS: case CREATE_THREAD_EX: return Wow64pServiceWithAttributes(special, call);
    case QUERY_JOB: return Wow64pQueryJob(call);
    case SET_JOB: return Wow64pSetJob(call);
    case SET_PROCESS: return set_process(call);
    case SET_THREAD: return set_thread(call);
    case SET_FILE: return set_file(call);
    default: break;
    }
    if (special >= FIRST_OF_OBJECTS) return Wow64pServiceOfObject(special, call);
    return special >= FIRST_OF_CONTEXTS ? Wow64pServiceWithContext(special, call) : service(call);
}
