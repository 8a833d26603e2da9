/* Messages: texts of the system's, or the caller's, with what is inserted. */
#include "kernel32.h"

#define FORMAT_MESSAGE_ALLOCATE_BUFFER 0x100
#define FORMAT_MESSAGE_IGNORE_INSERTS 0x200
#define FORMAT_MESSAGE_FROM_STRING 0x400
#define FORMAT_MESSAGE_FROM_HMODULE 0x800
#define FORMAT_MESSAGE_FROM_SYSTEM 0x1000
#define FORMAT_MESSAGE_ARGUMENT_ARRAY 0x2000
#define ERROR_MR_MID_NOT_FOUND 317

/* "System Error Codes" (learn.microsoft.com) has these texts; other errors have none here. */
static const struct {
    USHORT number;
    const char *text;
} BasepMessages[] = {
#include "messages.inc"
};

/* The text, with %1 and on replaced by strings, %% and others by what is behind them. */
static void BasepExpand(BASEP_TEXT *to, const WCHAR *from, ULONG flags, const WCHAR *const *values) {
    for (; *from; from++) {
        if (*from != '%' || flags & FORMAT_MESSAGE_IGNORE_INSERTS || !from[1]) {
            BasepPut(to, *from);
            continue;
        }
        WCHAR next = *++from;
        if (next == '0') return;
        if (next >= '1' && next <= '9') {
            ULONG number = next - '0';
            if (from[1] >= '0' && from[1] <= '9') number = number * 10 + *++from - '0';
            /* !s!: what is inserted without a format is a string, too. Other formats stay as they are. */
            if (from[1] == '!' && from[2] == 's' && from[3] == '!') from += 3;
            for (const WCHAR *value = values ? values[number - 1] : NULL; value && *value; value++) BasepPut(to, *value);
            continue;
        }
        BasepPut(to, next == 'n' ? '\n' : next == 'r' ? '\r' : next == 't' ? '\t' : next == 'b' ? ' ' : next);
    }
}

static BOOL BasepMessage(BASEP_TEXT *to, ULONG number) {
    for (ULONG i = 0; i < sizeof BasepMessages / sizeof *BasepMessages; i++) {
        if (BasepMessages[i].number != number) continue;
        for (const char *at = BasepMessages[i].text; *at; at++) BasepPut(to, (UCHAR)*at);
        BasepPut(to, '\r');
        BasepPut(to, '\n');
        return TRUE;
    }
    return BasepFail(ERROR_MR_MID_NOT_FOUND);
}

/* `FormatMessageW`: of the system's messages and of strings. Modules' tables are not looked at. */
ULONG NTAPI FormatMessageW(ULONG flags, const WCHAR *source, ULONG number, ULONG language, WCHAR *to, ULONG room, PVOID values) {
    const WCHAR *const *list = values;
    (void)language;
    /* A va_list of x64 and x86 alike is the address of the first value. */
    if (values && !(flags & FORMAT_MESSAGE_ARGUMENT_ARRAY)) list = *(const WCHAR *const **)values;
    BOOL allocate = flags & FORMAT_MESSAGE_ALLOCATE_BUFFER;
    BASEP_TEXT text = {to, 0, allocate ? 0 : room};
    for (int pass = allocate ? 0 : 1; pass < 2; pass++) {
        text.length = 0;
        if (flags & FORMAT_MESSAGE_FROM_STRING) BasepExpand(&text, source, flags, list);
        else if (!(flags & FORMAT_MESSAGE_FROM_SYSTEM)) return (ULONG)BasepFail(ERROR_MR_MID_NOT_FOUND);
        else if (!BasepMessage(&text, number)) return 0;
        if (pass) break;
        text.room = text.length + 1 > room ? text.length + 1 : room;
        text.text = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, text.room * sizeof(WCHAR));
        if (!text.text) return (ULONG)BasepFail(8);
        *(WCHAR **)to = text.text;
    }
    if (text.length >= text.room) return (ULONG)BasepFail(ERROR_INSUFFICIENT_BUFFER);
    text.text[text.length] = 0;
    return text.length;
}

/* `FormatMessageA`: of the system's messages; strings with inserts are for the other form. */
ULONG NTAPI FormatMessageA(ULONG flags, const char *source, ULONG number, ULONG language, char *to, ULONG room, PVOID values) {
    WCHAR wide[0x200];
    ULONG taken;
    (void)source, (void)values;
    if (flags & FORMAT_MESSAGE_FROM_STRING) return (ULONG)BasepFail(ERROR_NOT_SUPPORTED);
    ULONG length = FormatMessageW(flags & ~FORMAT_MESSAGE_ALLOCATE_BUFFER, NULL, number, language, wide,
                                  sizeof wide / sizeof *wide, NULL);
    if (!length) return 0;
    if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
        room = room > length ? room : length + 1;
        char *made = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, room);
        if (!made) return (ULONG)BasepFail(8);
        *(char **)to = made;
        to = made;
    }
    ULONG size = BasepUtf8FromUtf16(wide, length, to, room, &taken);
    if (taken < length || size >= room) return (ULONG)BasepFail(ERROR_INSUFFICIENT_BUFFER);
    to[size] = 0;
    return size;
}
