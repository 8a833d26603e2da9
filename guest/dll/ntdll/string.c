/* C strings, of bytes and of UTF-16 units: one body for both widths. Counted strings. */
#include "ntdll.h"

/* Whole strings give -1, 0 or 1, as `strcmp`; folded ones the difference, as Windows does. */
#define EXACT(a, b) ((a) < (b) ? -1 : 1)
#define FOLDED(a, b) ((int)((a) - (b)))
#define SAME(c) (c)

/* `strlen`, `wcslen`; `strnlen`, `wcsnlen`: the length in characters, at most `most`. */
#define LENGTH(name, bounded_name, T) \
    EXPORT size_t name(const T *text) { \
        size_t length = 0; \
        while (text[length]) length++; \
        return length; \
    } \
    EXPORT size_t bounded_name(const T *text, size_t most) { \
        size_t length = 0; \
        while (length < most && text[length]) length++; \
        return length; \
    }

/* `strcmp` and its kin, without and with a count of the most to compare. */
#define COMPARE(name, bounded_name, T, U, FOLD, ORDER) \
    EXPORT int bounded_name(const T *a, const T *b, size_t most) { \
        for (; most; most--, a++, b++) { \
            ULONG x = FOLD((U)*a), y = FOLD((U)*b); \
            if (x != y) return ORDER(x, y); \
            if (!x) break; \
        } \
        return 0; \
    } \
    EXPORT int name(const T *a, const T *b) { return bounded_name(a, b, SIZE_MAX); }

/* `strcpy`, `strcat`, `strncpy` and the wide ones: return `to`. The bounded one writes `size` characters, zeros after
 * the string. */
#define COPY(name, append_name, bounded_name, T) \
    EXPORT T *name(T *to, const T *from) { \
        T *t = to; \
        while ((*t++ = *from++)) {} \
        return to; \
    } \
    EXPORT T *append_name(T *to, const T *from) { \
        T *t = to; \
        while (*t) t++; \
        while ((*t++ = *from++)) {} \
        return to; \
    } \
    EXPORT T *bounded_name(T *to, const T *from, size_t size) { \
        for (size_t i = 0; i < size; i++) { \
            to[i] = *from; \
            if (*from) from++; \
        } \
        return to; \
    }

/* `strchr`, `strrchr`, `strstr` and the wide ones: the address, or NULL. The final zero is a character too. */
#define FIND(first_name, last_name, string_name, T, ARGUMENT) \
    EXPORT T *first_name(const T *text, ARGUMENT wanted) { \
        for (;; text++) { \
            if (*text == (T)wanted) return (T *)text; \
            if (!*text) return NULL; \
        } \
    } \
    EXPORT T *last_name(const T *text, ARGUMENT wanted) { \
        const T *found = NULL; \
        for (;; text++) { \
            if (*text == (T)wanted) found = text; \
            if (!*text) return (T *)found; \
        } \
    } \
    EXPORT T *string_name(const T *text, const T *wanted) { \
        for (;; text++) { \
            size_t i = 0; \
            while (wanted[i] && text[i] == wanted[i]) i++; \
            if (!wanted[i]) return (T *)text; \
            if (!text[i]) return NULL; \
        } \
    }

LENGTH(strlen, strnlen, char)
LENGTH(wcslen, wcsnlen, WCHAR)
COMPARE(strcmp, strncmp, char, UCHAR, SAME, EXACT)
COMPARE(_stricmp, _strnicmp, char, UCHAR, RtlpFold, FOLDED)
COMPARE(wcscmp, wcsncmp, WCHAR, WCHAR, SAME, EXACT)
COMPARE(_wcsicmp, _wcsnicmp, WCHAR, WCHAR, RtlpFold, FOLDED)
COPY(strcpy, strcat, strncpy, char)
COPY(wcscpy, wcscat, wcsncpy, WCHAR)
FIND(strchr, strrchr, strstr, char, int)
FIND(wcschr, wcsrchr, wcsstr, WCHAR, WCHAR)

/* The longest lengths that are even multiples of a character and leave room for the zero in MaximumLength. */
#define RTLP_LONGEST_ANSI 0xfffe
#define RTLP_LONGEST_WIDE 0xfffc

/* `RtlInitAnsiString`, and `RtlInitString`, which is the same function: a counted string over a C string or NULL. One
 * that is too long for the 16-bit lengths is cut. */
void NTAPI RtlInitAnsiString(ANSI_STRING *to, const CHAR *text) {
    size_t size = text ? strlen(text) : 0;
    if (size > RTLP_LONGEST_ANSI) size = RTLP_LONGEST_ANSI;
    *to = (ANSI_STRING){(USHORT)size, (USHORT)(text ? size + sizeof(CHAR) : 0), (CHAR *)text};
}
EXPORT_AS(RtlInitString, RtlInitAnsiString);

static void RtlpInitUnicodeString(UNICODE_STRING *to, const WCHAR *text, size_t size) {
    *to = (UNICODE_STRING){(USHORT)size, (USHORT)(text ? size + sizeof(WCHAR) : 0), (WCHAR *)text};
}

/* `RtlInitUnicodeString`: the same for UTF-16. */
void NTAPI RtlInitUnicodeString(UNICODE_STRING *to, const WCHAR *text) {
    size_t size = text ? wcslen(text) * sizeof(WCHAR) : 0;
    RtlpInitUnicodeString(to, text, size > RTLP_LONGEST_WIDE ? RTLP_LONGEST_WIDE : size);
}

/* `RtlInitUnicodeStringEx`: refuses what would be cut with STATUS_NAME_TOO_LONG. */
NTSTATUS NTAPI RtlInitUnicodeStringEx(UNICODE_STRING *to, const WCHAR *text) {
    size_t size = text ? wcslen(text) * sizeof(WCHAR) : 0;
    if (size > RTLP_LONGEST_WIDE) return STATUS_NAME_TOO_LONG;
    RtlpInitUnicodeString(to, text, size);
    return STATUS_SUCCESS;
}
