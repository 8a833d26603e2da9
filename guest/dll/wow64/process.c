/* wow64.dll: making processes and threads, whose attributes and parameters are lists and structures full of pointers. */
#include "wow64.h"

/* The codes of guest/data/wow64_services.csv. */
enum { CREATE_USER_PROCESS = 21, CREATE_THREAD_EX };
/* Where the arguments are. */
enum { PARAMETERS = 8, CREATE_INFO = 9, ATTRIBUTE_LIST = 10 };

#define MAX_ATTRIBUTES 32
#define MAX_HANDLES 256
/* Bytes of the process parameters that somebody reads: up to the last text. */
#define PARAMETERS64_SIZE 0xf0
#define PARAMETERS32_SIZE 0x90
#define NORMALIZED 1
/* TEB32 lies this far behind TEB64. */
#define TEB32_OFFSET 0x2000

enum { PARENT_PROCESS = 0x60000, DEBUG_OBJECT, TOKEN, CLIENT_ID_OF = 0x10003, TEB_ADDRESS, IMAGE_INFO = 6,
       HANDLE_LIST = 0x2000b, JOB_LIST = 0x20013 };

typedef struct { ULONG Attribute, Size, Value, ReturnLength; } ATTRIBUTE32;
typedef struct { ULONG64 Attribute, Size, Value, ReturnLength; } ATTRIBUTE64;
typedef struct {
    ULONG64 TotalLength;
    ATTRIBUTE64 Attributes[MAX_ATTRIBUTES];
} LIST64;

/* What attributes point to, in the kernel's form. */
typedef struct {
    LIST64 list;
    ATTRIBUTE32 own[MAX_ATTRIBUTES];
    ULONG count, used;
    ULONG64 handles[MAX_HANDLES], client[2], teb, image[8];
} ATTRIBUTES;

static void clear(void *at, ULONG64 size) {
    for (volatile UCHAR *byte = at; size--; byte++) *byte = 0;
}

#define FIELD(base, type, offset) (*(type *)((UCHAR *)(base) + (offset)))

/* Handles of 32 bits as those of 64. */
static NTSTATUS widen_handles(ATTRIBUTES *all, ULONG index) {
    ULONG size = all->own[index].Size, handles[MAX_HANDLES], count = size / sizeof *handles;
    if (size % sizeof *handles || count > MAX_HANDLES - all->used) return STATUS_INVALID_PARAMETER;
    NTSTATUS status = Wow64pCopy(handles, pointer(all->own[index].Value), size);
    all->list.Attributes[index].Value = (ULONG64)&all->handles[all->used];
    all->list.Attributes[index].Size = count * sizeof *all->handles;
    for (ULONG i = 0; i < count; i++) all->handles[all->used++] = sign_extend(handles[i]);
    return status;
}

static NTSTATUS read_attributes(ATTRIBUTES *all, CALL *call) {
    ULONG at = call->slots[ATTRIBUTE_LIST], length;
    all->count = all->used = 0;
    if (!at) return STATUS_SUCCESS;
    NTSTATUS status = Wow64pCopy(&length, pointer(at), sizeof length);
    if (!NT_SUCCESS(status)) return status;
    ULONG count = (length - sizeof length) / sizeof *all->own;
    if (length < sizeof length || (length - sizeof length) % sizeof *all->own || count > MAX_ATTRIBUTES) return STATUS_INVALID_PARAMETER;
    status = Wow64pCopy(all->own, pointer(at + sizeof length), count * sizeof *all->own);
    all->count = count;
    all->list.TotalLength = sizeof(ULONG64) + count * sizeof(ATTRIBUTE64);
    for (ULONG i = 0; i < count && NT_SUCCESS(status); i++) {
        const ATTRIBUTE32 *own = &all->own[i];
        ATTRIBUTE64 *native = &all->list.Attributes[i];
        *native = (ATTRIBUTE64){own->Attribute, own->Size, own->Value, 0};
        switch (own->Attribute) {
        case PARENT_PROCESS: case DEBUG_OBJECT: case TOKEN:
            native->Size = own->Size == sizeof(ULONG) ? sizeof(ULONG64) : 0;
            native->Value = sign_extend(own->Value);
            break;
        case CLIENT_ID_OF: native->Size = sizeof all->client, native->Value = (ULONG64)all->client; break;
        case TEB_ADDRESS: native->Size = sizeof all->teb, native->Value = (ULONG64)&all->teb; break;
        case IMAGE_INFO: native->Size = sizeof all->image, native->Value = (ULONG64)all->image; break;
        case HANDLE_LIST: case JOB_LIST: status = widen_handles(all, i); break;
        }
    }
    call->native[ATTRIBUTE_LIST] = (ULONG64)&all->list;
    return status;
}

/* Hands over what the kernel has told. */
static NTSTATUS write_attributes(const ATTRIBUTES *all) {
    NTSTATUS status = STATUS_SUCCESS;
    for (ULONG i = 0; i < all->count && NT_SUCCESS(status); i++) {
        const ATTRIBUTE32 *own = &all->own[i];
        ULONG words[12] = {0};
        if (own->Attribute == CLIENT_ID_OF) {
            words[0] = (ULONG)all->client[0], words[1] = (ULONG)all->client[1];
            status = Wow64pCopy(pointer(own->Value), words, 8);
        } else if (own->Attribute == TEB_ADDRESS) {
            words[0] = (ULONG)all->teb + TEB32_OFFSET;
            status = Wow64pCopy(pointer(own->Value), words, 4);
        } else if (own->Attribute == IMAGE_INFO) {
            for (ULONG n = 0; n < 4; n++) words[n] = (ULONG)all->image[n];
            for (ULONG n = 0; n < 8; n++) words[4 + n] = FIELD(all->image, ULONG, 0x20 + 4 * n);
            status = Wow64pCopy(pointer(own->Value), words, sizeof words);
        }
    }
    return status;
}

/* `RTL_USER_PROCESS_PARAMETERS`, whose texts become addresses. */
static NTSTATUS read_parameters(UCHAR *to, ULONG from) {
    /* Of each text where it is in both forms. */
    static const UCHAR texts[][2] = {{0x24, 0x38}, {0x30, 0x50}, {0x38, 0x60}, {0x40, 0x70}, {0x70, 0xb0}, {0x78, 0xc0}, {0x80, 0xd0}, {0x88, 0xe0}};
    UCHAR in[PARAMETERS32_SIZE];
    NTSTATUS status = Wow64pCopy(in, pointer(from), sizeof in);
    if (!NT_SUCCESS(status)) return status;
    ULONG flags = FIELD(in, ULONG, 8), base = flags & NORMALIZED ? 0 : from;
    FIELD(to, ULONG, 0) = FIELD(in, ULONG, 0);
    FIELD(to, ULONG, 4) = FIELD(in, ULONG, 4);
    FIELD(to, ULONG, 8) = flags | NORMALIZED;
    FIELD(to, ULONG64, 0x10) = sign_extend(FIELD(in, ULONG, 0x10));
    FIELD(to, ULONG, 0x18) = FIELD(in, ULONG, 0x14);
    for (ULONG n = 0; n < 3; n++) FIELD(to, ULONG64, 0x20 + 8 * n) = sign_extend(FIELD(in, ULONG, 0x18 + 4 * n));
    for (ULONG n = 0; n < sizeof texts / sizeof *texts; n++) {
        const UNICODE_STRING32 *text = &FIELD(in, UNICODE_STRING32, texts[n][0]);
        FIELD(to, UNICODE_STRING64, texts[n][1]) = (UNICODE_STRING64){text->Length, text->MaximumLength, base + text->Buffer};
    }
    FIELD(to, ULONG64, 0x80) = FIELD(in, ULONG, 0x48);
    for (ULONG n = 0; n < 9; n++) FIELD(to, ULONG, 0x88 + 4 * n) = FIELD(in, ULONG, 0x4c + 4 * n);
    return STATUS_SUCCESS;
}

#define CREATE_INFO32_SIZE 0x48
#define CREATE_INFO64_SIZE 0x58
#define STATE_SUCCESS 6

static NTSTATUS create_user_process(CALL *call) {
    UCHAR parameters[PARAMETERS64_SIZE], info[CREATE_INFO64_SIZE], own[CREATE_INFO32_SIZE];
    ATTRIBUTES attributes;
    clear(parameters, sizeof parameters);
    clear(info, sizeof info);
    NTSTATUS status = Wow64pCopy(own, pointer(call->slots[CREATE_INFO]), sizeof own);
    if (NT_SUCCESS(status)) status = read_attributes(&attributes, call);
    if (NT_SUCCESS(status) && call->slots[PARAMETERS]) {
        status = read_parameters(parameters, call->slots[PARAMETERS]);
        call->native[PARAMETERS] = (ULONG64)parameters;
    }
    if (!NT_SUCCESS(status)) return status;
    /* A wrong size stays wrong. */
    FIELD(info, ULONG64, 0) = FIELD(own, ULONG, 0) == sizeof own ? sizeof info : 0;
    FIELD(info, ULONG, 8) = FIELD(own, ULONG, 4);
    FIELD(info, ULONG64, 0x10) = FIELD(own, ULONG64, 8);
    call->native[CREATE_INFO] = (ULONG64)info;
    status = Wow64pSystemService(call->number, call->count, call->native);
    ULONG state = FIELD(info, ULONG, 8);
    FIELD(own, ULONG, 4) = state;
    FIELD(own, ULONG, 8) = FIELD(info, ULONG, 0x10);
    if (state == STATE_SUCCESS) {
        FIELD(own, ULONG, 0xc) = FIELD(info, ULONG, 0x18);
        FIELD(own, ULONG, 0x10) = FIELD(info, ULONG, 0x20);
        for (ULONG n = 0; n < 12; n++) FIELD(own, ULONG, 0x18 + 4 * n) = FIELD(info, ULONG, 0x28 + 4 * n);
    }
    NTSTATUS fault = Wow64pCopy(pointer(call->slots[CREATE_INFO]), own, sizeof own);
    if (NT_SUCCESS(fault) && NT_SUCCESS(status)) fault = write_attributes(&attributes);
    return NT_SUCCESS(fault) ? status : fault;
}

static NTSTATUS create_thread_ex(CALL *call) {
    ATTRIBUTES attributes;
    NTSTATUS status = read_attributes(&attributes, call);
    if (!NT_SUCCESS(status)) return status;
    status = Wow64pSystemService(call->number, call->count, call->native);
    NTSTATUS fault = NT_SUCCESS(status) ? write_attributes(&attributes) : STATUS_SUCCESS;
    return NT_SUCCESS(fault) ? status : fault;
}

/* The special services of this file. */
NTSTATUS Wow64pServiceWithAttributes(UCHAR special, CALL *call) {
    return special == CREATE_USER_PROCESS ? create_user_process(call) : create_thread_ex(call);
}
